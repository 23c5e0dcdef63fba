"""GET /livez, GET /readyz and GET /metrics; never shed, never queued behind images."""

import asyncio
import time

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from service.api.context import Context, ContextDep
from service.api.metrics import CONTENT_TYPE
from service.api.record import record_of
from service.api.schemas import LiveBody, ReadyBody
from service.engine.repository import ModelState
from service.errors import FeatherboxError, ModelNotFound

router = APIRouter(tags=["health"])
metrics_router = APIRouter(tags=["health"])

_PROBE_TIMEOUT_S = 2.0
# Decoding the largest image that is allowed takes a fraction of this.
_LONGEST_JOB_S = 4.0


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
    states = await readiness(context, required_models(context))
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
    others = [notice.metrics for notice in context.peers.refresh()]
    return Response(context.metrics.render(others), media_type=CONTENT_TYPE)


def required_models(context: Context) -> list[str]:
    """Return the models without which the service is not ready, `name` or `name:version`."""
    return context.settings.required_models or [context.settings.default_model]


async def readiness(context: Context, references: list[str]) -> dict[str, str]:
    """Return the state of each model by name: loading, ready, failed, removed or stuck.

    Once all of them are loaded, each is run.
    """
    states = {name.partition(":")[0]: _state(context, name) for name in references}
    if all(state == ModelState.READY for state in states.values()):
        states = {name: await _probe(context, name) for name in states}
    return states


def _state(context: Context, reference: str) -> str:
    try:
        return context.repository.find(reference).state
    except ModelNotFound:
        return "removed"


async def _probe(context: Context, name: str) -> str:
    """Run a loaded model once and return its state: ready, failed or stuck."""
    busy_s = context.pool.running_s()
    if len(busy_s) >= context.pool.threads and min(busy_s) > _LONGEST_JOB_S:
        return "stuck"
    try:
        probe = context.prober.probe(context.repository.find(name).require())
        left_s = probe.started + _PROBE_TIMEOUT_S - time.monotonic()
        if left_s <= 0 and not probe.answered.done():
            return "stuck"
        async with asyncio.timeout(left_s):
            answered = await asyncio.shield(asyncio.wrap_future(probe.answered))
    except TimeoutError:
        return "stuck"
    except FeatherboxError:  # it was swapped or set aside since it was looked at
        return _state(context, name)
    return ModelState.READY if answered else ModelState.FAILED
