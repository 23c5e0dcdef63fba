"""How much the answers suffer from rounding one layer alone, measured.

The Fisher information sees small errors at one place at a time; rounding makes large ones at all
places at once. So each layer is rounded on its own, to steps by the Fisher information, and the
divergence of the answers from the parent's says how its step should have been.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from export_tools.evaluate import run_all
from export_tools.pack.layers import Layer, Values, write_values
from service.engine.coded import STEPS_PER_OCTAVE
from service.engine.session import OrtSession, SessionOptions

Planes = Sequence[NDArray[np.uint8]]
_TINY = 1e-12


def sizes_by_harm(
    model: ModelProto,
    layers: Sequence[Layer],
    rounded: Values,
    steps: Mapping[str, int],
    planes: Planes,
) -> dict[str, float]:
    """Return each layer's relative step, as a power of two: what its answers allow.

    Args:
        model: the parent.
        layers: which are rounded.
        rounded: their weights after rounding, by node.
        steps: that they were rounded to, by node, in eighths of an octave.
        planes: images to answer.
    """
    wanted = _answers(model, {}, planes)
    sizes = {}
    for layer in layers:
        weights = rounded[layer.node]
        found = _answers(model, {layer.weight: weights}, planes)
        harm = divergence(wanted, found) / weights.size
        sizes[layer.node] = steps[layer.node] / STEPS_PER_OCTAVE - 0.5 * float(np.log2(harm))
    return sizes


def divergence(wanted: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """Return the mean Kullback-Leibler divergence of probabilities [images, classes]; above 0."""
    wanted, found = np.maximum(wanted, _TINY), np.maximum(found, _TINY)
    each = (wanted * np.log(wanted / found)).sum(axis=1, dtype=np.float64)
    return max(float(each.mean()), _TINY)


def _answers(model: ModelProto, changed: Values, planes: Planes) -> NDArray[np.float32]:
    copy = ModelProto()
    copy.CopyFrom(model)
    write_values(copy, changed)
    return run_all(OrtSession(copy.SerializeToString(), SessionOptions()), planes)
