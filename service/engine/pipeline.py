"""Image to labels, on the calling thread: decode, preprocess, infer, top-k, each timed once."""

import threading
import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from service.engine.decode import DecodeLimits, decode_image
from service.engine.manifest import InputPolicy
from service.engine.preprocess import preprocess
from service.engine.session import Session

STAGES = ("queue", "decode", "preprocess", "inference", "postprocess", "total")


@dataclass(slots=True)
class StageTimes:
    """Milliseconds by stage; `queue` is all waiting, the middle four are work."""

    queue: float = 0.0
    decode: float = 0.0
    preprocess: float = 0.0
    inference: float = 0.0
    postprocess: float = 0.0
    total: float = 0.0

    def rounded(self) -> dict[str, float]:
        """Return the times by stage, to the microsecond."""
        return {
            "queue": round(self.queue, 3),
            "decode": round(self.decode, 3),
            "preprocess": round(self.preprocess, 3),
            "inference": round(self.inference, 3),
            "postprocess": round(self.postprocess, 3),
            "total": round(self.total, 3),
        }


@dataclass(slots=True)
class Prediction:
    """One label with its probability."""

    label: str
    index: int
    probability: float


@dataclass(slots=True)
class Classification:
    """The answer to one image."""

    predictions: list[Prediction]
    times: StageTimes = field(default_factory=StageTimes)


_buffers = threading.local()


def kept_buffer(height: int, width: int) -> NDArray[np.uint8]:
    """Return this thread's input buffer of that size; its content is overwritten each time."""
    buffers: dict[str, NDArray[np.uint8]] = _buffers.__dict__  # this thread's own
    key = f"{height}x{width}"
    if key not in buffers:
        buffers[key] = np.empty((1, 3, height, width), np.uint8)
    return buffers[key]


def image_to_planes(
    data: bytes | memoryview, policy: InputPolicy, limits: DecodeLimits, out: NDArray[np.uint8]
) -> tuple[float, float]:
    """Decode and preprocess an image into `out`, uint8 [3, height, width].

    Returns:
        Milliseconds of decoding and of preprocessing.

    Raises:
        RequestError: one of the image errors of `service.engine.decode`.
    """
    started = time.perf_counter()
    image = decode_image(data, limits, policy.resize_shorter)
    decoded = time.perf_counter()
    preprocess(image, policy, out)
    return (decoded - started) * 1e3, (time.perf_counter() - decoded) * 1e3


def top_predictions(
    probabilities: NDArray[np.float32], labels: tuple[str, ...], top_k: int
) -> list[Prediction]:
    """Return the `top_k` most probable labels, best first; ties go to the lower index."""
    # sorting only what can be among the best costs a third of sorting all
    descending = -probabilities
    last = min(top_k, len(labels)) - 1
    parted = descending.copy()
    parted.partition(last)  # methods, as numpy's functions of these names cost three calls each
    candidates = (~(descending > parted[last])).nonzero()[0]
    best = candidates[descending[candidates].argsort(kind="stable")][:top_k]
    chosen = zip(best.tolist(), probabilities[best].tolist(), strict=True)
    return [Prediction(labels[index], index, probability) for index, probability in chosen]


def classify_image(
    data: bytes | memoryview,
    session: Session,
    policy: InputPolicy,
    labels: tuple[str, ...],
    top_k: int,
    limits: DecodeLimits,
) -> Classification:
    """Classify one image on this thread; `queue` and `total` are left to the caller."""
    times = StageTimes()
    planes = kept_buffer(policy.height, policy.width)
    times.decode, times.preprocess = image_to_planes(data, policy, limits, planes[0])
    started = time.perf_counter()
    probabilities = session.run(planes)
    inferred = time.perf_counter()
    predictions = top_predictions(probabilities[0], labels, top_k)
    times.inference = (inferred - started) * 1e3
    times.postprocess = (time.perf_counter() - inferred) * 1e3
    return Classification(predictions, times)
