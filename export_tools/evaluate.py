"""How good are a model's answers? Against labels, and against the model it was made from.

Counts are added up batch by batch, so that a data set of any size fits into memory.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from export_tools.confidence import Honesty, honesty
from export_tools.datasets import Item
from service.engine.decode import DecodeLimits
from service.engine.manifest import InputPolicy
from service.engine.pipeline import image_to_planes
from service.engine.session import Session
from service.errors import RequestError

SURE = 0.5  # a parent's probability above which its answer should survive compression
_BATCH = 8


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Right answers among labelled images."""

    images: int = 0
    top1: int = 0
    top5: int = 0

    def __add__(self, other: "Accuracy") -> "Accuracy":
        return Accuracy(self.images + other.images, self.top1 + other.top1, self.top5 + other.top5)


@dataclass(frozen=True, slots=True)
class Agreement:
    """Images on which two models have the same top-1; `sure` where the parent is sure."""

    images: int = 0
    same: int = 0
    sure_images: int = 0
    sure_same: int = 0

    def __add__(self, other: "Agreement") -> "Agreement":
        return Agreement(
            self.images + other.images,
            self.same + other.same,
            self.sure_images + other.sure_images,
            self.sure_same + other.sure_same,
        )


@dataclass(frozen=True, slots=True)
class Classifier:
    """A session with the way a photo gets into it."""

    session: Session
    policy: InputPolicy


@dataclass(slots=True)
class Evaluation:
    """What was counted on a data set; `skipped` names the images that cannot be decoded.

    `probabilities` are those of the labelled images' answers, and `right` tells which are right.
    """

    accuracy: Accuracy = field(default_factory=Accuracy)
    agreement: Agreement = field(default_factory=Agreement)
    skipped: list[str] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)

    @property
    def honesty(self) -> Honesty:
        """How far the probabilities are from the share of right answers, on labelled images."""
        return honesty(np.array(self.probabilities), np.array(self.right, np.bool_))


def evaluate_items(
    model: Classifier,
    items: Sequence[Item],
    parent: Classifier | None = None,
    done: Callable[[int], None] = lambda _: None,
) -> Evaluation:
    """Classify a data set and count.

    Args:
        model: what is evaluated.
        items: photos; those without a class count for the agreement only.
        parent: what it is compared with, each with its own preprocessing.
        done: told how many more items were looked at.
    """
    result = Evaluation()
    for read, planes, own in answers(model, items, result.skipped, done):
        known = [(row, item.index) for row, item in enumerate(read) if item.index is not None]
        if known:
            rows, indices = zip(*known, strict=True)
            labelled = own[list(rows)]
            result.accuracy += accuracy(labelled, indices)
            result.probabilities += labelled.max(axis=1).tolist()
            result.right += (labelled.argmax(axis=1) == np.asarray(indices)).tolist()
        if parent is not None:
            same = parent.policy == model.policy
            theirs = planes if same else _read(read, parent.policy, [])[1]
            result.agreement += agreement(parent.session.run(theirs), own)
    return result


def answers(
    model: Classifier,
    items: Sequence[Item],
    skipped: list[str],
    done: Callable[[int], None] = lambda _: None,
) -> Iterator[tuple[list[Item], NDArray[np.uint8], NDArray[np.float32]]]:
    """Classify a data set; yield items, planes and the model's output [n, classes] by batches.

    Images that cannot be decoded are named in `skipped`, and `done` is told how many more items
    were looked at.
    """
    for start in range(0, len(items), _BATCH):
        batch = items[start : start + _BATCH]
        read, planes = _read(batch, model.policy, skipped)
        done(len(batch))
        if read:
            yield read, planes, model.session.run(planes)


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


def _read(
    items: Sequence[Item], policy: InputPolicy, skipped: list[str]
) -> tuple[list[Item], NDArray[np.uint8]]:
    """Preprocess photos as the server does; those it would refuse are named in `skipped`."""
    planes = np.empty((len(items), 3, policy.height, policy.width), np.uint8)
    kept: list[Item] = []
    for item in items:
        try:
            image_to_planes(item.path.read_bytes(), policy, DecodeLimits(), planes[len(kept)])
        except RequestError as error:
            skipped.append(f"{item.path.name}: {error.detail}")
        else:
            kept.append(item)
    return kept, planes[: len(kept)]


def _batches(planes: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    batch: list[NDArray[np.uint8]] = []
    for image in planes:
        batch.append(image)
        if len(batch) == _BATCH:
            yield np.stack(batch)
            batch = []
    if batch:
        yield np.stack(batch)
