"""Image or tensor to all probabilities, on the calling thread, for callers that want no top-k."""

import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from service.engine.artifact import LoadedModel
from service.engine.decode import DecodeLimits
from service.engine.pipeline import StageTimes, image_to_planes, kept_buffer


@dataclass(slots=True)
class Inference:
    """Probabilities of one image, float32 [1, classes]; `queue` and `total` are the caller's."""

    probabilities: NDArray[np.float32]
    times: StageTimes = field(default_factory=StageTimes)


def infer_image(
    model: LoadedModel, data: bytes | memoryview, limits: DecodeLimits, alone: bool = False
) -> Inference:
    """Decode, preprocess and infer one image; `alone` says that no other is in work.

    Raises:
        RequestError: one of the image errors of `service.engine.decode`.
        ModelFailed: the runtime could not run the graph.
    """
    policy = model.manifest.input
    planes = kept_buffer(policy.height, policy.width)
    decode_ms, preprocess_ms = image_to_planes(data, policy, limits, planes[0])
    result = infer_planes(model, planes, alone)
    result.times.decode, result.times.preprocess = decode_ms, preprocess_ms
    return result


def infer_planes(model: LoadedModel, planes: NDArray[np.uint8], alone: bool = False) -> Inference:
    """Infer uint8 [1, 3, height, width], which the session reads where it lies.

    Raises:
        ModelFailed: the runtime could not run the graph.
    """
    session = model.lone_session if alone and model.lone_session else model.session
    started = time.perf_counter()
    waited_ms = 0.0
    try:
        if model.batcher is None or session is model.lone_session:
            result = Inference(session.run(planes))
        else:
            with model.batcher.seat() as seat:
                result = Inference(seat.run(planes))
            waited_ms = seat.waited_ms
    except Exception:
        model.faults.add()
        raise
    if model.faults.count:
        model.faults.count = 0
    result.times.queue = waited_ms
    result.times.inference = (time.perf_counter() - started) * 1e3 - waited_ms
    return result
