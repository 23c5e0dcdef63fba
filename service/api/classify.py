"""POST /classify and POST /classify/batch.

One hop: the event loop reads the body, a worker thread does all the rest down to the bytes of the
answer, the event loop sends them. Room is checked before the body is read and again, bindingly,
before decoding.
"""

import time
from collections.abc import Callable

from fastapi import APIRouter, Request
from pydantic_core import to_json
from starlette.responses import Response

from service.api.answers import JSON_TYPE, Classified, image_text, single_text
from service.api.body import read_body
from service.api.choices import classify_with_wishes, model_of_batch, text_with
from service.api.context import Context, context_of
from service.api.intake import Asked, take_in
from service.api.jobs import JobsInTurn, JobWaiter
from service.api.openapi import SEVERAL_IMAGES, SINGLE_IMAGE, problems
from service.api.record import RequestRecord, record_of
from service.api.schemas import BatchBody, ClassifyBody
from service.api.uploads import Upload, several_images, single_image
from service.engine.pipeline import Classification
from service.errors import FeatherboxError

router = APIRouter(tags=["classify"])


@router.post(
    "/classify",
    response_model=ClassifyBody,
    responses=problems(400, 404, 408, 413, 415, 422, 429, 503, 504),
    openapi_extra=SINGLE_IMAGE,
    summary="Classify one image",
)
async def classify(request: Request) -> Response:
    """Classify the image in the body: a multipart field `image`, or the raw bytes."""
    context, record = context_of(request), record_of(request.scope)
    most_bytes = context.settings.max_body_bytes
    asked = take_in(context, record, request.scope["query_string"], most_bytes)
    body = await read_body(request, most_bytes, context.settings.body_timeout_s)
    received = time.perf_counter()
    if asked.wishes is not None:
        context.chooser.check_wait(asked.wishes.longest_wait_ms)

    def work(queued_ms: float) -> Classified:
        return classify_body(context, record, asked, body, received, queued_ms)

    waiter = JobWaiter(context.pool, asked.served.name, asked.deadline)
    async with waiter.watching(request.receive):
        done = await waiter.result(waiter.submit(work))
    record.classified.append((asked.served, done.times))
    return Response(done.body, media_type=JSON_TYPE)


def classify_body(
    context: Context,
    record: RequestRecord,
    asked: Asked,
    body: bytes,
    received: float,
    queued_ms: float,
) -> Classified:
    """Turn the body of POST /classify into its answer, on a worker thread.

    Args:
        context: the service.
        record: the request, with its headers.
        asked: what it wants.
        body: what was sent.
        received: `time.perf_counter()` of the body's last byte.
        queued_ms: how long the job waited for this thread.

    Raises:
        FeatherboxError: the body is no image, or the model failed.
    """
    started = time.perf_counter()
    image = single_image(body, record.content_type)
    unpacked_ms = (time.perf_counter() - started) * 1e3
    alone = context.pool.in_flight == 1
    more = None
    if asked.wishes is None:
        result = asked.loaded.classify(image, asked.top_k, context.limits, alone)
    else:
        result, more = classify_with_wishes(context, asked, asked.wishes, image, received, alone)
        record.model = asked.served.name
    times = result.times
    times.queue += queued_ms
    times.decode += unpacked_ms
    times.total = (time.perf_counter() - received) * 1e3
    if asked.wishes is not None and asked.wishes.promise is not None:
        context.chooser.learn(asked.wishes.promise, asked.unread_ms + times.total)
    if context.shadow is not None:
        context.shadow.offer(asked.served.name, image, result.predictions[0].label)
    if more is not None:
        return Classified(text_with(asked, result, more, record.request_id), times)
    return Classified(single_text(asked.served, result, record.request_id).encode(), times)


@router.post(
    "/classify/batch",
    response_model=BatchBody,
    response_model_exclude_none=True,
    responses=problems(400, 404, 408, 413, 415, 422, 429, 503, 504),
    openapi_extra=SEVERAL_IMAGES,
    summary="Classify several images",
)
async def classify_batch(request: Request) -> Response:
    """Classify each `image` field of a form; a bad image carries its own error."""
    context, record = context_of(request), record_of(request.scope)
    settings = context.settings
    asked = take_in(context, record, request.scope["query_string"], settings.max_batch_bytes)
    if asked.wishes is not None:
        asked.served, asked.loaded = model_of_batch(context, asked, asked.wishes)
        record.model = asked.served.name
    body = await read_body(request, settings.max_batch_bytes, settings.body_timeout_s)
    received = time.perf_counter()
    loaded = asked.loaded

    def unpack(_queued_ms: float) -> list[Upload]:
        most, most_bytes = settings.max_batch_images, settings.max_body_bytes
        return several_images(body, record.content_type, most, most_bytes)

    def work_on(upload: Upload) -> Callable[[float], Classification]:
        def work(queued_ms: float) -> Classification:
            result = loaded.classify(upload.data, asked.top_k, context.limits)
            result.times.queue += queued_ms
            return result

        return work

    waiter = JobWaiter(context.pool, asked.served.name, asked.deadline)
    uploads = await waiter.result(waiter.submit(unpack))
    record.images = len(uploads)
    jobs = JobsInTurn(waiter, [work_on(upload) for upload in uploads])
    try:
        async with waiter.watching(request.receive):
            results = [
                await _outcome(record, asked, jobs, received, upload.filename) for upload in uploads
            ]
    finally:
        jobs.drop()
    head = to_json({"model": asked.served.name, "version": str(asked.served.version)})
    request_id = to_json(record.request_id)
    document = b'%b,"request_id":%b,"results":[%b]}' % (head[:-1], request_id, b",".join(results))
    return Response(document, media_type=JSON_TYPE)


async def _outcome(
    record: RequestRecord,
    asked: Asked,
    jobs: JobsInTurn[Classification],
    received: float,
    filename: str | None,
) -> bytes:
    """Return the document of one image of a batch: its answer, or its error."""
    try:
        result = await jobs.result()
    except FeatherboxError as error:
        problem = {"code": error.code, "detail": error.detail}
        return to_json({"filename": filename, "error": problem})
    result.times.total = (time.perf_counter() - received) * 1e3
    record.classified.append((asked.served, result.times))
    return b'{"filename":%b,%b}' % (to_json(filename), image_text(result).encode())
