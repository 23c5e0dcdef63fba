"""POST /classify and POST /classify/batch.

One hop: the event loop reads the body, a worker thread does all the rest, the event loop writes
the answer. Room is checked before the body is read and again, bindingly, before decoding.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict
from typing import Annotated, TypeVar

from fastapi import APIRouter, Header, Query, Request
from pydantic_core import to_json
from starlette.responses import Response

from service.api.body import read_body
from service.api.context import Context, ContextDep
from service.api.openapi import BATCH_BODY, SINGLE_BODY, problems
from service.api.record import record_of
from service.api.schemas import BatchBody, ClassifyBody
from service.api.uploads import Upload, several_images, single_image
from service.engine.artifact import LoadedModel
from service.engine.pipeline import Classification
from service.engine.repository import ServedModel
from service.errors import DeadlineExceeded, FeatherboxError, InvalidParameter

T = TypeVar("T")

_DEFAULT_TOP_K = 5

router = APIRouter(tags=["classify"])

ModelQuery = Annotated[
    str | None,
    Query(max_length=128, description="`name` or `name:version`; default from the settings"),
]
TopKQuery = Annotated[
    int | None,
    Query(ge=1, description="how many labels, up to the number of classes; 5, or all if fewer"),
]
TimeoutHeader = Annotated[
    int | None,
    Header(
        alias="X-Request-Timeout-Ms",
        ge=1,
        description="answer within this time or not at all; capped by the service's own limit",
    ),
]


@router.post(
    "/classify",
    response_model=ClassifyBody,
    responses=problems(400, 404, 408, 413, 415, 422, 503, 504),
    openapi_extra=SINGLE_BODY,
    summary="Classify one image",
)
async def classify(
    request: Request,
    context: ContextDep,
    model: ModelQuery = None,
    top_k: TopKQuery = None,
    timeout_ms: TimeoutHeader = None,
) -> Response:
    """Classify the image in the body: a multipart field `image`, or the raw bytes."""
    record = record_of(request.scope)
    settings = context.settings
    served, loaded, count = _model_for(context, model, top_k)
    record.model = served.name
    deadline = _deadline(context, timeout_ms)
    context.pool.check_room()
    body = await read_body(request, settings.max_body_bytes, settings.body_timeout_s)
    received = time.perf_counter()
    content_type = request.headers.get("content-type", "")

    def work(queued_ms: float) -> Classification:
        started = time.perf_counter()
        image = single_image(body, content_type)
        unpacked_ms = (time.perf_counter() - started) * 1e3
        result = loaded.classify(image, count, context.limits)
        result.times.queue = queued_ms
        result.times.decode += unpacked_ms
        return result

    result = await _in_time(context.pool.submit(work, deadline), deadline)
    record.times = result.times
    _count(context, served, result, received)
    return _json(
        {
            "model": served.name,
            "version": str(served.version),
            **_answer(result),
            "request_id": record.request_id,
        }
    )


@router.post(
    "/classify/batch",
    response_model=BatchBody,
    response_model_exclude_none=True,
    responses=problems(400, 404, 408, 413, 415, 422, 503, 504),
    openapi_extra=BATCH_BODY,
    summary="Classify several images",
)
async def classify_batch(
    request: Request,
    context: ContextDep,
    model: ModelQuery = None,
    top_k: TopKQuery = None,
    timeout_ms: TimeoutHeader = None,
) -> Response:
    """Classify each `image` field of a form; a bad image carries its own error."""
    record = record_of(request.scope)
    settings = context.settings
    served, loaded, count = _model_for(context, model, top_k)
    record.model = served.name
    deadline = _deadline(context, timeout_ms)
    context.pool.check_room()
    body = await read_body(request, settings.max_batch_bytes, settings.body_timeout_s)
    received = time.perf_counter()
    content_type = request.headers.get("content-type", "")

    def unpack(_queued_ms: float) -> list[Upload]:
        most, most_bytes = settings.max_batch_images, settings.max_body_bytes
        return several_images(body, content_type, most, most_bytes)

    def work_on(upload: Upload) -> Callable[[float], Classification]:
        def work(queued_ms: float) -> Classification:
            result = loaded.classify(upload.data, count, context.limits)
            result.times.queue = queued_ms
            return result

        return work

    uploads = await _in_time(context.pool.submit(unpack, deadline), deadline)
    record.images = len(uploads)
    futures = context.pool.submit_all([work_on(upload) for upload in uploads], deadline)
    results = [
        {"filename": upload.filename, **await _outcome(context, served, future, deadline, received)}
        for upload, future in zip(uploads, futures, strict=True)
    ]
    return _json(
        {
            "model": served.name,
            "version": str(served.version),
            "request_id": record.request_id,
            "results": results,
        }
    )


def _model_for(
    context: Context, reference: str | None, top_k: int | None
) -> tuple[ServedModel, LoadedModel, int]:
    """Return the model that was asked for and how many labels to answer."""
    served = context.repository.find(reference or context.settings.default_model)
    loaded = served.require()
    classes = loaded.manifest.classes
    if top_k is None:
        return served, loaded, min(_DEFAULT_TOP_K, classes)
    if top_k > classes:
        raise InvalidParameter(f"top_k: the model has {classes} classes.")
    return served, loaded, top_k


def _deadline(context: Context, timeout_ms: int | None) -> float:
    """Return the `time.monotonic()` by which the request must be answered."""
    most = context.settings.request_timeout_ms
    return time.monotonic() + min(timeout_ms or most, most) / 1e3


async def _in_time(future: "Future[T]", deadline: float) -> T:
    """Wait for a job; a job that is still waiting at the deadline is dropped."""
    try:
        async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
            return await asyncio.wrap_future(future)
    except TimeoutError:
        raise DeadlineExceeded("The request's time ran out before there was an answer.") from None


async def _outcome(
    context: Context,
    served: ServedModel,
    future: "Future[Classification]",
    deadline: float,
    received: float,
) -> dict[str, object]:
    """Return the answer to one image of a batch, or its error."""
    try:
        result = await _in_time(future, deadline)
    except FeatherboxError as error:
        return {"error": {"code": error.code, "detail": error.detail}}
    _count(context, served, result, received)
    return _answer(result)


def _count(context: Context, served: ServedModel, result: Classification, received: float) -> None:
    result.times.total = (time.perf_counter() - received) * 1e3
    served.window.add(result.times)
    context.metrics.observe_stages(served.name, result.times)


def _answer(result: Classification) -> dict[str, object]:
    return {
        "predictions": [
            {"label": p.label, "index": p.index, "probability": round(p.probability, 6)}
            for p in result.predictions
        ],
        "timings_ms": {stage: round(value, 3) for stage, value in asdict(result.times).items()},
    }


def _json(document: dict[str, object]) -> Response:
    return Response(to_json(document), media_type="application/json")
