"""The application: settings in, an ASGI app out. Nothing is built at import time."""

import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from service.api import classify, docs, health, models, problems
from service.api.access import read_access, warn_if_open, with_cors
from service.api.context import Context
from service.api.direct import DirectRoutes
from service.api.ledger import Ledger
from service.api.metrics import Metrics
from service.api.middleware import RequestMiddleware
from service.api.openapi import only_problem_type
from service.engine.decode import DecodeLimits
from service.engine.host import describe_host, worker_threads
from service.engine.repository import ModelRepository
from service.engine.session import SessionOptions, check_providers
from service.engine.workers import WorkerPool
from service.settings import Settings

# What only makes lone images faster must not delay the first answers.
_WIDEN_AFTER_S = 2.0

logger = logging.getLogger("featherbox")


class _App(FastAPI):
    """FastAPI behind our own outermost layers, with an OpenAPI document true to its errors."""

    def build_middleware_stack(self) -> ASGIApp:
        """Return the app with request ids, logs and counts outermost, then the direct routes."""
        context: Context = self.state.context
        endpoints = {
            "/classify": classify.classify,
            "/classify/batch": classify.classify_batch,
        }
        app = DirectRoutes(super().build_middleware_stack(), endpoints)
        return RequestMiddleware(with_cors(app, context.settings.cors_origins), context.ledger)

    def openapi(self) -> dict[str, Any]:
        """Return the document."""
        return only_problem_type(super().openapi())


def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the app; the models are loaded in the background once it starts.

    Raises:
        ArtifactError: the model repository cannot be read, or lacks a model that the settings
            name, or an execution provider cannot be had.
        SettingUnusable: a file of tokens is unfit.
    """
    settings = settings or Settings()
    context = _build_context(settings)
    app = _App(
        title="Featherbox",
        version=version("featherbox"),
        summary="Compressed, lightweight image classifiers from one small box.",
        docs_url=None,  # it would load Swagger UI from a public server; see api/docs.py
        openapi_url="/openapi.json" if settings.docs else None,
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.context = context
    problems.install(app)
    for module in (classify, models):
        app.include_router(module.router, **context.access.for_routes())
    metrics_guard = {} if settings.open_metrics else context.access.for_routes()
    app.include_router(health.metrics_router, **metrics_guard)
    app.include_router(health.router)
    if settings.docs:
        app.include_router(docs.router)
    return app


def _build_context(settings: Settings) -> Context:
    host = describe_host()
    options = SessionOptions(
        providers=tuple(settings.providers),
        allow_provider_fallback=settings.allow_provider_fallback,
        intra_op_threads=settings.intra_op_threads,
        lone_request_threads=settings.lone_request_threads or worker_threads(host.cpus),
    )
    check_providers(options)
    repository = ModelRepository(
        settings.model_repository,
        options,
        host,
        wanted=settings.models or None,
        window_seconds=settings.latency_window_s,
    )
    metrics = Metrics()
    access = read_access(settings)
    threads = settings.worker_threads or worker_threads(host.cpus)
    context = Context(
        settings=settings,
        host=host,
        repository=repository,
        pool=WorkerPool(threads, settings.queue_per_thread),
        metrics=metrics,
        ledger=Ledger(metrics),
        limits=DecodeLimits(settings.max_header_pixels, settings.max_decoded_pixels),
        access=access,
        guards=access.guards(),
    )
    for name in (settings.default_model, *settings.required_models):
        repository.require_known(name)
    context.metrics.watch_pool(context.pool)
    return context


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    context: Context = app.state.context
    host, pool = context.host, context.pool
    logger.info(
        "%s, %.3g CPUs (affinity and cgroup), %d worker threads, room for %d images",
        host.cpu, host.cpus, pool.threads, pool.capacity,
    )  # fmt: skip

    warn_if_open(context.settings, context.access)
    stopping = threading.Event()

    def load() -> None:
        context.repository.load_all()
        context.metrics.show_models(context.repository.models, host.onnxruntime)
        ready = sum(model.loaded is not None for model in context.repository.models)
        logger.info("%d of %d models ready", ready, len(context.repository.models))
        if not stopping.wait(_WIDEN_AFTER_S):
            context.repository.widen_all()

    loader = threading.Thread(target=load, name="loader", daemon=True)
    loader.start()
    yield
    stopping.set()
    pool.close()
    context.ledger.settle()
    logger.info("stopped")
