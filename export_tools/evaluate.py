"""How good are a model's answers? Against labels, and against the model it was made from."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.engine.session import Session

SURE = 0.5  # a parent's probability above which its answer should survive compression
_BATCH = 8


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Right answers among labelled images."""

    images: int
    top1: int
    top5: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """Images on which two models have the same top-1; `sure` where the parent is sure."""

    images: int
    same: int
    sure_images: int
    sure_same: int


def run_all(session: Session, planes: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Classify images uint8 [3, height, width] into float32 [n, classes]."""
    return np.concatenate([session.run(batch) for batch in _batches(planes)])


def accuracy(probabilities: NDArray[np.float32], labels: Sequence[int]) -> Accuracy:
    """Count right answers of probabilities [n, classes]; ties go to the lower index."""
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :5]
    hits = order == np.asarray(labels)[:, np.newaxis]
    return Accuracy(len(labels), int(hits[:, 0].sum()), int(hits.any(axis=1).sum()))


def agreement(parent: NDArray[np.float32], child: NDArray[np.float32]) -> Agreement:
    """Compare the answers of two models, probabilities [n, classes] each."""
    same = parent.argmax(axis=1) == child.argmax(axis=1)
    sure = parent.max(axis=1) > SURE
    return Agreement(len(same), int(same.sum()), int(sure.sum()), int(same[sure].sum()))


def interval(hits: int, images: int) -> tuple[float, float]:
    """Return the 95 % interval of a share by Wilson's score, which suits small counts."""
    if not images:
        return 0.0, 1.0
    z, share = 1.96, hits / images
    spread = z * math.sqrt(share * (1 - share) / images + z * z / (4 * images * images))
    middle, scale = share + z * z / (2 * images), 1 + z * z / images
    return (middle - spread) / scale, (middle + spread) / scale


def _batches(planes: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    batch: list[NDArray[np.uint8]] = []
    for image in planes:
        batch.append(image)
        if len(batch) == _BATCH:
            yield np.stack(batch)
            batch = []
    if batch:
        yield np.stack(batch)
