"""Does a cascade pay? A small model answers where it is sure, a large one where it is not.

What is counted is what the server does: an image that goes on to the large model is decoded and
preprocessed a second time, as that model's input may have another size. Both models are timed photo
by photo in turns, from bytes to labels on one thread.
"""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export_tools.datasets import Item
from export_tools.draft import Draft
from export_tools.errors import DataError
from service.engine.decode import DecodeLimits
from service.engine.pipeline import Prediction, classify_image
from service.engine.session import OrtSession, SessionOptions
from service.errors import RequestError

THRESHOLDS = tuple(step / 20 for step in range(21))
_TIMED = 200  # classifications a model that the mean latency should rest upon
_LEAST_GAIN = 0.03  # of the latency; less is not worth a second model

Ask = Callable[[bytes], Prediction]


@dataclass(frozen=True, slots=True)
class Answers:
    """Of one model, for each of n images: index of the answer, its probability, milliseconds."""

    index: NDArray[np.int64]
    probability: NDArray[np.float64]
    ms: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Right answers, images that the small model answered, mean latency in ms."""

    right: int
    by_small: int
    mean_ms: float


@dataclass(frozen=True, slots=True)
class Cascade:
    """Two models on the same images, alone and together at each threshold.

    Without `labelled`, an answer is right where it is the large model's.
    """

    images: int
    labelled: bool
    rounds: int
    small: Outcome
    large: Outcome
    by_threshold: dict[float, Outcome]
    skipped: tuple[str, ...] = ()


def try_cascade(
    small: Draft, large: Draft, items: Sequence[Item], done: Callable[[int], None] = lambda _: None
) -> Cascade:
    """Run two models over images and put them together at every threshold.

    Args:
        small: answers first.
        large: answers where the small one is not sure.
        items: photos; without the classes of all of them, the large model's answers count.
        done: told how many more items were looked at.

    Raises:
        DataError: the models' labels differ, or no image can be decoded.
    """
    if small.labels != large.labels:
        raise DataError(
            f"{small.manifest.name} and {large.manifest.name} have other labels: "
            "no cascade can be made of them."
        )
    asks = (_asker(small), _asker(large))
    rounds = max(1, math.ceil(_TIMED / max(1, len(items))))
    kept: list[Item] = []
    skipped: list[str] = []
    found: list[tuple[tuple[Prediction, float], ...]] = []
    for place, item in enumerate(items):
        try:
            found.append(_in_turns(asks, item.path.read_bytes(), rounds, place))
        except RequestError as error:
            skipped.append(f"{item.path.name}: {error.detail}")
        else:
            kept.append(item)
        done(1)
    if not found:
        raise DataError("None of the images can be decoded.")
    first, second = (_gather([each[model] for each in found]) for model in (0, 1))
    known = [item.index for item in kept if item.index is not None]
    labelled = len(known) == len(kept)
    truth = np.array(known, np.int64) if labelled else second.index
    return weigh(first, second, truth, labelled=labelled, rounds=rounds, skipped=tuple(skipped))


def weigh(
    small: Answers,
    large: Answers,
    truth: NDArray[np.int64],
    *,
    labelled: bool,
    rounds: int = 1,
    skipped: tuple[str, ...] = (),
) -> Cascade:
    """Put the answers of two models together, `truth` [n] being the right ones."""
    right_small, right_large = small.index == truth, large.index == truth
    by_threshold = {}
    for threshold in THRESHOLDS:
        sure = small.probability >= threshold
        by_threshold[threshold] = Outcome(
            right=int(np.where(sure, right_small, right_large).sum()),
            by_small=int(sure.sum()),
            mean_ms=float((small.ms + np.where(sure, 0.0, large.ms)).mean()),
        )
    images = len(truth)
    return Cascade(
        images=images,
        labelled=labelled,
        rounds=rounds,
        small=Outcome(int(right_small.sum()), images, float(small.ms.mean())),
        large=Outcome(int(right_large.sum()), 0, float(large.ms.mean())),
        by_threshold=by_threshold,
        skipped=skipped,
    )


def best_threshold(cascade: Cascade, tolerance: float) -> float | None:
    """Return the threshold of least mean latency that keeps the large model's accuracy.

    None where none is faster than the large model alone by a few per cent.

    Args:
        cascade: what was counted.
        tolerance: accuracy that may be lost, 0 to 1.
    """
    fit = {t: o for t, o in cascade.by_threshold.items() if t and keeps(cascade, o, tolerance)}
    if not fit:
        return None
    best = min(fit, key=lambda threshold: (fit[threshold].mean_ms, -threshold))
    pays = fit[best].mean_ms <= (1 - _LEAST_GAIN) * cascade.large.mean_ms
    return best if pays else None


def keeps(cascade: Cascade, outcome: Outcome, tolerance: float) -> bool:
    """Tell whether an outcome is as accurate as the large model, within a tolerance."""
    return outcome.right >= cascade.large.right - tolerance * cascade.images - 1e-9


def _asker(draft: Draft) -> Ask:
    session, policy = OrtSession(draft.graph, SessionOptions()), draft.manifest.input
    limits = DecodeLimits()

    def ask(image: bytes) -> Prediction:
        return classify_image(image, session, policy, draft.labels, 5, limits).predictions[0]

    ask(draft.selftest)  # the first inference takes longer than all others
    return ask


def _in_turns(
    asks: tuple[Ask, Ask], image: bytes, rounds: int, place: int
) -> tuple[tuple[Prediction, float], ...]:
    """Ask both models; return answer and median time of each. Who begins alternates."""
    answers: dict[int, Prediction] = {}
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(place, place + rounds):
        for model in ((0, 1), (1, 0))[turn % 2]:
            started = time.perf_counter()
            answers[model] = asks[model](image)
            times[model].append((time.perf_counter() - started) * 1e3)
    return tuple((answers[model], statistics.median(times[model])) for model in (0, 1))


def _gather(found: Sequence[tuple[Prediction, float]]) -> Answers:
    return Answers(
        np.array([answer.index for answer, _ in found], np.int64),
        np.array([answer.probability for answer, _ in found], np.float64),
        np.array([ms for _, ms in found], np.float64),
    )
