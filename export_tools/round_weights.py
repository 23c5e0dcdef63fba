"""Round the weights of an int8 graph so that a layer's weights make up for each other's rounding.

The quantiser rounds each weight to the nearest step. What that costs an output depends on which
weights err together: where inputs rise and fall together, errors can cancel, see `compensate`.
Scales, size and speed stay as they are.
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from export_tools.compensate import Floats, compensated, factor
from export_tools.layer_inputs import Planes, input_moments
from export_tools.quantized_layers import quantized_layers

Whole = NDArray[np.int16]
Rows = NDArray[np.intp]

_DAMPING = 0.01  # of the moments: a few photos do not show all that inputs can do


class Rounding(Protocol):
    """How rows of a layer's weights become whole steps."""

    def round(self, trained: Floats, scales: Floats, rows: Rows, largest: int) -> Whole:
        """Return the whole weights of some rows.

        Args:
            trained: all weights of the layer, [outputs, ...].
            scales: the step of each output.
            rows: which outputs are asked for.
            largest: the largest whole weight of either sign.
        """


class NearestStep:
    """Each weight to the step that is nearest."""

    def round(self, trained: Floats, scales: Floats, rows: Rows, largest: int) -> Whole:
        """See `Rounding`."""
        steps = _usable(scales[rows]).reshape(-1, *[1] * (trained.ndim - 1))
        return np.round(trained[rows] / steps).clip(-largest, largest).astype(np.int16)


class Compensated:
    """Weights that make up for what rounding those before them in their row has cost."""

    def __init__(self, moments: Floats) -> None:
        """Take how the layer's inputs vary, [groups, inputs of a row, the same]."""
        self._uppers = [factor(of_group, _DAMPING) for of_group in moments]

    def round(self, trained: Floats, scales: Floats, rows: Rows, largest: int) -> Whole:
        """See `Rounding`."""
        flat, steps = trained.reshape(len(trained), -1), _usable(scales)
        found = np.empty((len(rows), flat.shape[1]), np.int16)
        groups = rows // (len(flat) // len(self._uppers))
        for group in np.unique(groups):
            at = groups == group
            mine = steps[rows[at]]

            def nearest(wanted: Floats, _: int, mine: Floats = mine) -> tuple[Whole, Floats]:
                whole = np.round(wanted / mine).clip(-largest, largest)
                return whole.astype(np.int16), whole * mine

            found[at] = compensated(flat[rows[at]], self._uppers[group], nearest)[0]
        return found.reshape(len(rows), *trained.shape[1:])


def compensations(model: ModelProto, planes: Planes) -> dict[str, Compensated]:
    """Return by the layer's node how its weights are rounded to make up for each other.

    Args:
        model: the float graph.
        planes: calibration images, uint8 [3, height, width] each.
    """
    return {name: Compensated(found) for name, found in input_moments(model, planes).items()}


def round_weights(
    quantized: ModelProto, original: ModelProto, roundings: Mapping[str, Rounding]
) -> int:
    """Round weights again, in place.

    Args:
        quantized: what the quantiser made of `original`.
        original: the float graph.
        roundings: by the layer's node; a layer without one is left alone.

    Returns:
        How many layers were rounded.
    """
    done = 0
    for layer in quantized_layers(quantized, original):
        rounding = roundings.get(layer.node.name)
        if rounding is not None:
            rows = np.arange(len(layer.trained))
            layer.write(rounding.round(layer.trained, layer.scales, rows, layer.largest))
            done += 1
    return done


def _usable(scales: Floats) -> Floats:
    """Return scales by which weights can be divided: a dead row has none, and no weights."""
    return np.where(scales > 0, scales, 1.0)
