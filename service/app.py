"""The application: settings in, an ASGI app out. Nothing is built at import time."""

import asyncio
import logging
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.types import ASGIApp

from service.api import classify, docs, health, models, page, problems
from service.api.access import read_access, warn_if_open, with_cors
from service.api.board import Board
from service.api.client_limit import client_limits
from service.api.context import Context
from service.api.direct import DirectRoutes
from service.api.held import HeldBodies
from service.api.ledger import Ledger
from service.api.metrics import Metrics
from service.api.middleware import RequestMiddleware
from service.api.openapi import only_problem_type
from service.api.peers import Peers
from service.api.shadow import Shadow
from service.api.tracing import start_tracing
from service.api.v2 import routes as v2
from service.engine.benchmarks import Benchmarks
from service.engine.chooser import Chooser
from service.engine.decode import DecodeLimits
from service.engine.host import Host, describe_host, worker_threads
from service.engine.keeper import Keeper
from service.engine.prober import Prober
from service.engine.repository import ModelRepository
from service.engine.session import SessionOptions, check_providers
from service.engine.watchdog import Pulse, Watchdog
from service.engine.workers import WorkerPool
from service.settings import Settings

# After the requests are answered or cancelled: for what cannot be stopped, a stuck thread.
_CLOSE_WITHIN_S = 1.0

# FastAPI's own, which environment variables could switch on; see api/tracing.py.
_NO_TELEMETRY = TelemetryConfig(tracing=False, metrics=False, logs=False, auto_configure=False)

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
        app = DirectRoutes(super().build_middleware_stack(), endpoints, v2.DIRECT)
        return RequestMiddleware(with_cors(app, context.settings.cors_origins), context.ledger)

    def openapi(self) -> dict[str, Any]:
        """Return the document."""
        return only_problem_type(super().openapi())


def create_app(settings: Settings | None = None, board: Board | None = None) -> FastAPI:
    """Build the app; the models are loaded in the background once it starts.

    Args:
        settings: default from the environment.
        board: where the processes of the service tell each other what they do; None for one.

    Raises:
        ArtifactError: the model repository cannot be read, or lacks a model that the settings
            name, or an execution provider cannot be had.
        SettingUnusable: a file of tokens is unfit.
    """
    settings = settings or Settings()
    context = _build_context(settings, board)
    app = _App(
        title="Featherbox",
        version=version("featherbox"),
        summary="Compressed, lightweight image classifiers from one small box.",
        docs_url=None,  # it would load Swagger UI from a public server; see api/docs.py
        redirect_slashes=False,  # to wherever the Host header says
        openapi_url="/openapi.json" if settings.docs else None,
        redoc_url=None,
        lifespan=_lifespan,
        telemetry=_NO_TELEMETRY,
    )
    app.state.context = context
    problems.install(app)
    for module in (classify, models):
        app.include_router(module.router, **context.access.for_routes())
    metrics_guard = {} if settings.open_metrics else context.access.for_routes()
    app.include_router(health.metrics_router, **metrics_guard)
    app.include_router(health.router)
    v2.include(app, context.access)
    if settings.docs:
        app.include_router(docs.router)
    if settings.page:
        app.include_router(page.router)
    return app


def _build_context(settings: Settings, board: Board | None) -> Context:
    host = describe_host()
    cpus = host.cpus / settings.workers
    repository = _repository(settings, host, cpus)
    metrics = Metrics()
    bodies = HeldBodies(settings.max_held_bytes)
    access = read_access(settings)
    threads = settings.worker_threads or worker_threads(cpus)
    pool = WorkerPool(threads, settings.queue_per_thread)
    limits = DecodeLimits(
        settings.max_header_pixels, settings.max_decoded_pixels, settings.reducing_gap
    )
    benchmarks = Benchmarks(
        repository, host, threads, lambda: pool.in_flight > 0, folder=settings.cache_folder
    )
    ledger = Ledger(metrics, bodies, benchmarks.forecast, start_tracing(settings.otlp_endpoint))
    context = Context(
        settings=settings,
        host=host,
        repository=repository,
        keeper=Keeper(repository, settings.model_poll_s),
        prober=Prober(),
        pool=pool,
        metrics=metrics,
        ledger=ledger,
        peers=Peers(board, ledger, metrics, repository),
        bodies=bodies,
        limits=limits,
        benchmarks=benchmarks,
        chooser=Chooser(repository, benchmarks, pool.wait_ms),
        shadow=_shadow(settings, repository, limits, metrics, pool),
        access=access,
        guards=[*access.guards(), *client_limits(settings)],
    )
    for name in (settings.default_model, *settings.required_models):
        repository.require_known(name)
    context.metrics.watch_pool(context.pool)
    context.metrics.watch_bodies(bodies)
    context.metrics.watch_models(repository, host.onnxruntime)
    return context


def _repository(settings: Settings, host: Host, cpus: float) -> ModelRepository:
    options = SessionOptions(
        providers=tuple(settings.providers),
        allow_provider_fallback=settings.allow_provider_fallback,
        intra_op_threads=settings.intra_op_threads,
        lone_request_threads=settings.lone_request_threads or worker_threads(cpus),
        max_batch=settings.max_batch,
        max_delay_ms=settings.max_delay_ms,
    )
    check_providers(options)
    return ModelRepository(
        settings.model_repository,
        options,
        host,
        wanted=settings.models or None,
        window_seconds=settings.latency_window_s,
        quarantine_after=settings.quarantine_after,
    )


def _shadow(
    settings: Settings,
    repository: ModelRepository,
    limits: DecodeLimits,
    metrics: Metrics,
    pool: WorkerPool,
) -> Shadow | None:
    if settings.shadow_model is None or not settings.shadow_share:
        return None
    repository.require_known(settings.shadow_model)
    return Shadow(
        settings.shadow_model, settings.shadow_share, repository, limits, metrics,
        lambda: pool.in_flight > pool.threads,
    )  # fmt: skip


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    context: Context = app.state.context
    host, pool = context.host, context.pool
    logger.info(
        "%s, %.3g CPUs (affinity and cgroup), %d worker threads, room for %d images",
        host.cpu, host.cpus, pool.threads, pool.capacity,
    )  # fmt: skip

    warn_if_open(context.settings, context.access)
    loop = asyncio.get_running_loop()
    if threading.current_thread() is threading.main_thread():
        loop.add_signal_handler(signal.SIGHUP, context.keeper.reload)
    watchdog = Watchdog(
        context.settings.watchdog_s,
        {
            "A worker thread is": pool.running_s,
            "A probe of a model is": context.prober.running_s,
            "The event loop is": Pulse(loop).running_s,
        },
    )
    watchdog.start()
    context.keeper.start()
    if context.settings.workers > 1:  # the others answer until this one is ready
        await asyncio.shield(asyncio.wrap_future(context.keeper.loaded))
    telling = asyncio.create_task(context.peers.keep_telling())
    if context.settings.benchmark_when_idle:
        context.benchmarks.start()
    yield
    telling.cancel()
    context.benchmarks.close(_CLOSE_WITHIN_S)
    if context.shadow is not None:
        context.shadow.close(_CLOSE_WITHIN_S)
    context.keeper.close(_CLOSE_WITHIN_S)
    if not pool.close(_CLOSE_WITHIN_S):
        logger.error("a worker thread is stuck and is left behind")
    watchdog.close()
    context.peers.refresh()
    context.ledger.close()
    logger.info("stopped")
