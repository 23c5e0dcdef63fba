"""GET /livez, GET /readyz and GET /metrics; never shed, never queued behind images."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from service.api.context import Context, ContextDep
from service.api.metrics import CONTENT_TYPE
from service.api.record import record_of
from service.api.schemas import LiveBody, ReadyBody
from service.engine.repository import ModelState, ServedModel
from service.errors import ModelFailed

router = APIRouter(tags=["health"])
metrics_router = APIRouter(tags=["health"])

_PROBE_TIMEOUT_S = 2.0
# one thread of its own, so that a probe waits for no image and images for no probe
_prober = ThreadPoolExecutor(1, thread_name_prefix="probe")


@router.get("/livez", summary="Is the process alive?")
async def livez() -> LiveBody:
    """Answer 200 whenever the event loop turns."""
    return LiveBody(live=True)


@router.get(
    "/readyz",
    summary="Can every required model run now?",
    responses={200: {"model": ReadyBody}, 503: {"model": ReadyBody, "description": "not yet"}},
)
async def readyz(request: Request, context: ContextDep) -> Response:
    """Run every required model once; 503 while one is loading, has failed or is stuck.

    Where a token is needed, only a request that brings it sees the models by name.
    """
    required = required_models(context)
    states = {model.name: model.state.value for model in required}
    if all(model.state is ModelState.READY for model in required):
        states = {model.name: await _probe(model) for model in required}
    ready = all(state == ModelState.READY for state in states.values())
    body = ReadyBody(
        ready=ready, models=states if context.access.knows(record_of(request.scope)) else {}
    )
    return JSONResponse(body.model_dump(), 200 if ready else 503)


@metrics_router.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(context: ContextDep) -> Response:
    """Return the metrics in the Prometheus text format."""
    context.ledger.settle()
    return Response(context.metrics.render(), media_type=CONTENT_TYPE)


def required_models(context: Context) -> list[ServedModel]:
    """Return the models without which the service is not ready."""
    settings = context.settings
    names = settings.required_models or [settings.default_model]
    return [context.repository.find(name) for name in names]


async def _probe(model: ServedModel) -> str:
    """Run a loaded model once and return its state: ready, failed or stuck."""
    loaded = model.require()
    planes = np.zeros((1, 3, loaded.manifest.input.height, loaded.manifest.input.width), np.uint8)
    run = asyncio.get_running_loop().run_in_executor(_prober, loaded.session.run, planes)
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT_S):
            await run
    except ModelFailed:
        return ModelState.FAILED
    except TimeoutError:
        return "stuck"
    return ModelState.READY
