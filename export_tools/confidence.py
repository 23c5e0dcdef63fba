"""Do the probabilities say how often the answers are right?

ECE is the expected calibration error of Guo et al., 2017, "On Calibration of Modern Neural
Networks": answers are sorted by their probability into 15 bins of equal width, and in each the mean
probability is compared with the share that is right. The temperature is from the same paper.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export_tools.errors import DataError

BINS = 15
HIGHEST_TEMPERATURE = 20.0  # and its inverse: beyond, the photos settle nothing
_DRAWS = 200
_HALVINGS = 60


@dataclass(frozen=True, slots=True)
class Honesty:
    """The ECE of a number of answers, and what few images alone make of it.

    `chance` is the mean ECE of answers with the same probabilities that are right exactly as often
    as those say: with 20 images that is far from 0.
    """

    images: int
    ece: float
    chance: float


def honesty(probabilities: NDArray[np.floating], right: NDArray[np.bool_]) -> Honesty:
    """Return the ECE of top-1 probabilities [n], `right` [n] telling which answers are."""
    drawn = np.random.default_rng(0)
    by_chance = [
        expected_calibration_error(probabilities, drawn.random(len(right)) < probabilities)
        for _ in range(_DRAWS)
    ]
    ece = expected_calibration_error(probabilities, right)
    return Honesty(len(right), ece, float(np.mean(by_chance)))


def expected_calibration_error(
    probabilities: NDArray[np.floating], right: NDArray[np.bool_]
) -> float:
    """Return the ECE of top-1 probabilities [n]; a bin holds its upper edge. 0 for no answers."""
    if not len(right):
        return 0.0
    bins = np.clip(np.ceil(probabilities * BINS).astype(np.int64) - 1, 0, BINS - 1)
    gaps = np.bincount(bins, weights=probabilities - right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(right))


def negative_log_likelihood(
    logits: NDArray[np.floating], labels: NDArray[np.int64], temperature: float = 1.0
) -> float:
    """Return the mean negative log-likelihood of labels [n] under logits [n, classes] / T, nats."""
    scaled = _centred(logits) / temperature
    return float((np.log(np.exp(scaled).sum(axis=1)) - _of(scaled, labels)).mean())


def softmax(logits: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float64]:
    """Return the probabilities [n, classes] of logits / T."""
    powers = np.exp(_centred(logits) / temperature)
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """Return the temperature with the least negative log-likelihood.

    That likelihood is convex in the inverse temperature, so its slope is followed by bisection.

    Args:
        logits: [n, classes].
        labels: right classes, [n].

    Raises:
        DataError: no temperature is best, as where every answer is right.
    """
    centred = _centred(logits)

    def slope(temperature: float) -> float:
        means = (softmax(centred, temperature) * centred).sum(axis=1)
        return float((means - _of(centred, labels)).mean())

    low, high = 1 / HIGHEST_TEMPERATURE, HIGHEST_TEMPERATURE
    if slope(low) <= 0 or slope(high) >= 0:
        raise DataError(
            f"On {len(labels)} images no temperature between {low:g} and {high:g} is the best: "
            "there must be right answers and wrong ones. Give more images."
        )
    for _ in range(_HALVINGS):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if slope(middle) < 0 else (middle, high)
    return math.sqrt(low * high)


def _centred(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the logits with each row's largest at 0, so that no power overflows."""
    wide = logits.astype(np.float64)
    centred: NDArray[np.float64] = wide - wide.max(axis=1, keepdims=True)
    return centred


def _of(rows: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    chosen: NDArray[np.float64] = rows[np.arange(len(labels)), labels]
    return chosen
