"""How coarse each layer's weights may be, for a number of bits on average.

Errors of all layers add up in the answers' divergence from the parent's, each weighted by what the
Fisher information says of its layer. The least sum for a number of bits has the same weighted error
everywhere, so a layer's step is that error's size over the root of its weight; the size itself is
searched for.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from export_tools.pack.contexts import coded_bits, find_contexts
from export_tools.pack.statistics import Statistics
from service.engine.coded import (
    LARGEST_STEP,
    LEAST_STEP,
    STEPS_PER_OCTAVE,
    CodedTensor,
    step_size,
)

_SEARCH = 14  # halvings of a range of 40 octaves: to an eighth of an eighth
_FINEST = 10  # octaves below the largest weight: what a float16 can say of it


def importance(statistics: Statistics, damping: float) -> float:
    """Return what a squared error of a weight costs, for a layer's average weight."""
    weights = []
    for moments in statistics.inputs:
        mean = max(float(np.diag(moments).mean()), 1e-12)
        inverse = np.linalg.inv(moments + np.eye(len(moments)) * mean * damping)
        weights.append(float(np.mean(1 / np.diag(inverse))))
    return float(np.mean(weights) * np.diag(statistics.outputs).mean())


def sizes_by_rms(weights: Mapping[str, NDArray[np.float32]]) -> dict[str, float]:
    """Return each layer's relative step, as a power of two: the size of its weights."""
    return {name: float(np.log2(rms(w))) for name, w in weights.items()}


def sizes_by_fisher(statistics: Mapping[str, Statistics], damping: float) -> dict[str, float]:
    """Return each layer's relative step, as a power of two: what its answers allow."""
    return {
        name: -0.5 * float(np.log2(max(importance(found, damping), 1e-30)))
        for name, found in statistics.items()
    }


def find_steps(
    weights: Mapping[str, NDArray[np.float32]], sizes: Mapping[str, float], bits: float
) -> dict[str, int]:
    """Return each layer's step, in eighths of an octave, so that rounding to it takes `bits`.

    Args:
        weights: of each layer.
        sizes: relative steps, as powers of two.
        bits: a weight, on average.
    """
    total = sum(values.size for values in weights.values())
    low, high = -30.0, 10.0
    for _ in range(_SEARCH):
        middle = (low + high) / 2
        steps = _steps(weights, sizes, middle)
        taken = sum(_bits(values, steps[name]) for name, values in weights.items())
        low, high = (middle, high) if taken > bits * total else (low, middle)
    return _steps(weights, sizes, high)


def rms(values: NDArray[np.float32]) -> float:
    """Return the root of the mean square; of zeros a tiny number."""
    return max(float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))), 1e-9)


def exponent(octaves: float) -> int:
    """Return the step nearest to a power of two that an archive can say."""
    return int(np.clip(round(octaves * STEPS_PER_OCTAVE), LEAST_STEP, LARGEST_STEP))


def _steps(
    weights: Mapping[str, NDArray[np.float32]], sizes: Mapping[str, float], octaves: float
) -> dict[str, int]:
    """Return steps of a size, none finer than a thousandth of the largest weight."""
    finest = {n: float(np.log2(max(np.abs(w).max(), 1e-9))) - _FINEST for n, w in weights.items()}
    return {name: exponent(max(octaves + sizes[name], finest[name])) for name in weights}


def _bits(values: NDArray[np.float32], step: int) -> float:
    symbols = np.round(values / step_size(step)).astype(np.int16).ravel()
    contexts = CodedTensor(values.shape, find_contexts(symbols, values.shape), step=step)
    return coded_bits(contexts.context_of_each(), symbols)
