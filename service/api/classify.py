"""POST /classify and POST /classify/batch.

One hop: the event loop reads the body, a worker thread does all the rest, the event loop writes
the answer. Room is checked before the body is read and again, bindingly, before decoding.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import APIRouter, Request
from pydantic_core import to_json
from starlette.responses import Response

from service.api.body import read_body
from service.api.context import Context, context_of
from service.api.jobs import JobWaiter
from service.api.openapi import SEVERAL_IMAGES, SINGLE_IMAGE, problems
from service.api.parameters import ClassifyParameters, read_parameters
from service.api.record import RequestRecord, record_of
from service.api.schemas import BatchBody, ClassifyBody
from service.api.uploads import Upload, several_images, single_image
from service.engine.artifact import LoadedModel
from service.engine.pipeline import Classification
from service.engine.repository import ServedModel
from service.engine.workers import Job
from service.errors import FeatherboxError, InvalidParameter

_DEFAULT_TOP_K = 5

router = APIRouter(tags=["classify"])


@router.post(
    "/classify",
    response_model=ClassifyBody,
    responses=problems(400, 404, 408, 413, 415, 422, 503, 504),
    openapi_extra=SINGLE_IMAGE,
    summary="Classify one image",
)
async def classify(request: Request) -> Response:
    """Classify the image in the body: a multipart field `image`, or the raw bytes."""
    context = context_of(request)
    asked = await _take_in(request, context, context.settings.max_body_bytes)
    served, loaded = asked.served, asked.loaded

    def work(queued_ms: float) -> Classification:
        started = time.perf_counter()
        image = single_image(asked.body, asked.content_type)
        unpacked_ms = (time.perf_counter() - started) * 1e3
        alone = context.pool.in_flight == 1
        result = loaded.classify(image, asked.top_k, context.limits, alone)
        result.times.queue = queued_ms
        result.times.decode += unpacked_ms
        return result

    waiter = JobWaiter(asked.deadline)
    job = context.pool.submit(work, asked.deadline, waiter.job_done)
    result = await waiter.result(job)
    _finish(asked.record, served, result, asked.received)
    return _json(
        {
            "model": served.name,
            "version": str(served.version),
            **_answer(result),
            "request_id": asked.record.request_id,
        }
    )


@router.post(
    "/classify/batch",
    response_model=BatchBody,
    response_model_exclude_none=True,
    responses=problems(400, 404, 408, 413, 415, 422, 503, 504),
    openapi_extra=SEVERAL_IMAGES,
    summary="Classify several images",
)
async def classify_batch(request: Request) -> Response:
    """Classify each `image` field of a form; a bad image carries its own error."""
    context = context_of(request)
    settings = context.settings
    asked = await _take_in(request, context, settings.max_batch_bytes)
    served, loaded = asked.served, asked.loaded

    def unpack(_queued_ms: float) -> list[Upload]:
        most, most_bytes = settings.max_batch_images, settings.max_body_bytes
        return several_images(asked.body, asked.content_type, most, most_bytes)

    def work_on(upload: Upload) -> Callable[[float], Classification]:
        def work(queued_ms: float) -> Classification:
            result = loaded.classify(upload.data, asked.top_k, context.limits)
            result.times.queue = queued_ms
            return result

        return work

    waiter = JobWaiter(asked.deadline)
    unpacking = context.pool.submit(unpack, asked.deadline, waiter.job_done)
    uploads = await waiter.result(unpacking)
    asked.record.images = len(uploads)
    works = [work_on(upload) for upload in uploads]
    jobs = context.pool.submit_all(works, asked.deadline, waiter.job_done)
    results = [
        {
            "filename": upload.filename,
            **await _outcome(asked.record, served, waiter, job, asked.received),
        }
        for upload, job in zip(uploads, jobs, strict=True)
    ]
    return _json(
        {
            "model": served.name,
            "version": str(served.version),
            "request_id": asked.record.request_id,
            "results": results,
        }
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request whose body has arrived: what is wanted of which model, and by when."""

    record: RequestRecord
    served: ServedModel
    loaded: LoadedModel
    top_k: int
    deadline: float
    body: bytes
    content_type: str
    received: float


async def _take_in(request: Request, context: Context, most_bytes: int) -> _Asked:
    """Check a request's parameters and that there is room, then read its body."""
    record = record_of(request.scope)
    parameters = read_parameters(request.scope)
    served, loaded, top_k = _model_for(context, parameters)
    record.model = served.name
    deadline = _deadline(context, parameters.timeout_ms)
    context.pool.check_room()
    body = await read_body(request, most_bytes, context.settings.body_timeout_s)
    received = time.perf_counter()
    content_type = record.headers.get(b"content-type", b"").decode("latin-1")
    return _Asked(record, served, loaded, top_k, deadline, body, content_type, received)


def _model_for(context: Context, asked: ClassifyParameters) -> tuple[ServedModel, LoadedModel, int]:
    """Return the model that was asked for and how many labels to answer."""
    served = context.repository.find(asked.model or context.settings.default_model)
    loaded = served.require()
    classes = loaded.manifest.classes
    if asked.top_k is None:
        return served, loaded, min(_DEFAULT_TOP_K, classes)
    if asked.top_k > classes:
        raise InvalidParameter(
            top_k=f"must be at most {classes}, the number of the model's classes"
        )
    return served, loaded, asked.top_k


def _deadline(context: Context, timeout_ms: int | None) -> float:
    """Return the `time.monotonic()` by which the request must be answered."""
    most = context.settings.request_timeout_ms
    return time.monotonic() + min(timeout_ms or most, most) / 1e3


async def _outcome(
    record: RequestRecord,
    served: ServedModel,
    waiter: JobWaiter,
    job: Job[Classification],
    received: float,
) -> dict[str, object]:
    """Return the answer to one image of a batch, or its error."""
    try:
        result = await waiter.result(job)
    except FeatherboxError as error:
        return {"error": {"code": error.code, "detail": error.detail}}
    _finish(record, served, result, received)
    return _answer(result)


def _finish(
    record: RequestRecord, served: ServedModel, result: Classification, received: float
) -> None:
    result.times.total = (time.perf_counter() - received) * 1e3
    record.classified.append((served, result.times))


def _answer(result: Classification) -> dict[str, object]:
    return {
        "predictions": [
            {"label": p.label, "index": p.index, "probability": round(p.probability, 6)}
            for p in result.predictions
        ],
        "timings_ms": result.times.rounded(),
    }


def _json(document: dict[str, object]) -> Response:
    return Response(to_json(document), media_type="application/json")
