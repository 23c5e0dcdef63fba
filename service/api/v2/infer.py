"""POST /v2/models/{name}/infer, on the same worker pool and under the same limits as /classify.

One image is one hop to a worker thread, its request parsed there. Of several, the request is
parsed first, and then each image is a job of its own, so that all threads take part.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from fastapi import APIRouter, Request
from starlette.responses import Response

from service.api.body import read_body
from service.api.context import Context, context_of
from service.api.intake import Asked, take_in
from service.api.jobs import JobsInTurn, JobWaiter
from service.api.record import record_of
from service.api.v2.answer import inference_response
from service.api.v2.documents import BINARY_ANSWER, INFERENCE, TAG, errors
from service.api.v2.paths import for_model, reference
from service.api.v2.request import InferenceLimits, Inputs, Wanted, read_request
from service.api.v2.schemas import InferenceAnswer
from service.engine.artifact import LoadedModel
from service.engine.inference import Inference, infer_image, infer_planes
from service.engine.pipeline import StageTimes
from service.errors import DeadlineExceeded, EmptyBody

router = APIRouter(tags=[TAG])


@for_model(
    router,
    "POST",
    "/infer",
    response_model=InferenceAnswer,
    response_model_exclude_none=True,
    responses=BINARY_ANSWER | errors(400, 404, 408, 413, 415, 422, 429, 503, 504),
    openapi_extra=INFERENCE,
    summary="Infer",
    operation_id="infer",
)
async def infer(request: Request) -> Response:
    """Classify a tensor of planes (UINT8), or encoded images (BYTES)."""
    context, record = context_of(request), record_of(request.scope)
    settings = context.settings
    asked = take_in(context, record, b"", settings.max_batch_bytes, reference(request))
    loaded = asked.loaded
    try:
        body = await read_body(request, settings.max_batch_bytes, settings.body_timeout_s)
    except EmptyBody:
        raise EmptyBody("The body is empty: send an inference request.") from None
    received = time.perf_counter()
    json_length = record.headers.get(b"inference-header-content-length")

    def begin(queued_ms: float) -> _Begun:
        """Parse the request; if it is of one image, answer it on the way."""
        started = time.perf_counter()
        wanted = read_request(body, json_length, loaded.manifest, _limits(context))
        unpacked = time.perf_counter()
        if wanted.timeout_s is not None and unpacked - received > wanted.timeout_s:
            raise DeadlineExceeded("The request's time ran out while it waited.")
        if len(wanted.inputs) > 1:
            return _Begun(wanted)
        alone = context.pool.in_flight == 1
        result = _infer_one(context, loaded, wanted.inputs, 0, alone)
        result.times.queue += queued_ms
        result.times.decode += (unpacked - started) * 1e3
        return _Begun(wanted, (_finish(asked, wanted, [result], received), result.times))

    waiter = JobWaiter(context.pool, asked.served.name, asked.deadline)
    async with waiter.watching(request.receive):
        begun = await waiter.result(waiter.submit(begin))
        if begun.answered is not None:
            answer, times = begun.answered
            record.classified.append((asked.served, times))
            return answer
        record.images = len(begun.wanted.inputs)
        results = await _infer_each(context, asked, begun.wanted.inputs, waiter)
    answer = _finish(asked, begun.wanted, results, received)
    record.classified.extend((asked.served, result.times) for result in results)
    return answer


class _Begun(NamedTuple):
    """A parsed request, and its answer if it was of one image."""

    wanted: Wanted
    answered: tuple[Response, StageTimes] | None = None


def _finish(asked: Asked, wanted: Wanted, results: list[Inference], received: float) -> Response:
    """Return the answer, and note the total time of each image."""
    started = time.perf_counter()
    rows = np.concatenate([result.probabilities for result in results])
    answer = inference_response(wanted, asked.served, asked.loaded.labels, rows)
    done = time.perf_counter()
    for result in results:
        result.times.postprocess = (done - started) * 1e3 / len(results)
        result.times.total = (done - received) * 1e3
    return answer


async def _infer_each(
    context: Context, asked: Asked, inputs: Inputs, waiter: JobWaiter
) -> list[Inference]:
    """Infer several images, each a job; the first error is the request's."""

    def work_on(number: int) -> Callable[[float], Inference]:
        def work(queued_ms: float) -> Inference:
            result = _infer_one(context, asked.loaded, inputs, number)
            result.times.queue += queued_ms
            return result

        return work

    works = [work_on(number) for number in range(len(inputs))]
    jobs = JobsInTurn(waiter, works)
    try:
        return [await jobs.result() for _ in works]
    finally:
        jobs.drop()


def _infer_one(
    context: Context, loaded: LoadedModel, inputs: Inputs, number: int, alone: bool = False
) -> Inference:
    if inputs.planes is not None:
        return infer_planes(loaded, inputs.planes[number : number + 1], alone)
    return infer_image(loaded, inputs.images[number], context.limits, alone)


def _limits(context: Context) -> InferenceLimits:
    settings = context.settings
    return InferenceLimits(
        settings.max_batch_images, settings.max_body_bytes, settings.max_body_bytes
    )
