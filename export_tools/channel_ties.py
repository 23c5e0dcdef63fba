"""Which channels of a graph's values must be scaled together, and which must not be scaled.

Scaling a channel by a factor above zero goes through ReLU, pooling, sums and concatenations; a
convolution or a matrix product can take it back in its weights. So channels fall into groups, one
factor each. A group that meets anything else (the image, a Clip, a product of values, the answer)
has to keep its scale.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper

from export_tools.graph_macs import infer_shapes
from export_tools.layer_inputs import LAYERS

_SAME = ("Relu", "Identity", "MaxPool", "AveragePool", "GlobalAveragePool")
_Channels = NDArray[np.int64]
_Ties = list[tuple[_Channels, _Channels]]


@dataclass(frozen=True, slots=True)
class Tied:
    """Each value's channels by group; `free` tells by group whether it may be scaled."""

    groups: dict[str, _Channels]
    free: NDArray[np.bool_]


def tie_channels(model: ModelProto) -> Tied:
    """Group the channels of all values of a float graph whose shapes can be inferred."""
    shapes = infer_shapes(model)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    ids, count = _number_channels(model, shapes, constants)
    ties: _Ties = []
    kept = np.zeros(count, bool)
    for node in model.graph.node:
        found = None if node.op_type in LAYERS else _ties(node, ids, shapes, constants)
        if found is not None:
            ties += found
        for name in _unscalable(node, found, constants):
            if name in ids:
                kept[ids[name]] = True
    for value in (*model.graph.input, *model.graph.output):
        if value.name in ids:
            kept[ids[value.name]] = True
    labels = _merge(ties, count)
    free = np.ones(count, bool)
    free[labels[kept]] = False
    return Tied({name: labels[channels] for name, channels in ids.items()}, free)


def _number_channels(
    model: ModelProto, shapes: dict[str, list[int]], constants: dict[str, NDArray[np.generic]]
) -> tuple[dict[str, _Channels], int]:
    ids: dict[str, _Channels] = {}
    count = 0
    for name in dict.fromkeys(n for node in model.graph.node for n in (*node.input, *node.output)):
        shape = shapes.get(name, [])
        if name not in constants and len(shape) >= 2 and shape[1] > 0:
            ids[name] = np.arange(count, count + shape[1])
            count += shape[1]
    return ids, count


def _ties(
    node: NodeProto,
    ids: dict[str, _Channels],
    shapes: dict[str, list[int]],
    constants: dict[str, NDArray[np.generic]],
) -> _Ties | None:
    """Return which channels a node ties; None if it does not commute with a factor."""
    values = [name for name in node.input if name and name not in constants]
    out = ids.get(node.output[0])
    if out is None or any(name not in ids for name in values):
        return None
    widths = [len(ids[name]) for name in values]
    if node.op_type == "Concat":
        axis = next(item.i for item in node.attribute if item.name == "axis")
        if axis != 1 or sum(widths) != len(out):
            return None
        parts = np.split(out, np.cumsum(widths)[:-1])
        return [(part, ids[name]) for part, name in zip(parts, values, strict=True)]
    summed = node.op_type == "Add" and len(values) == 2
    alone = len(values) == 1 and _keeps_channels(node, values[0], shapes, constants)
    if not (summed or alone) or any(width != len(out) for width in widths):
        return None
    return [(out, ids[name]) for name in values]


def _keeps_channels(
    node: NodeProto,
    source: str,
    shapes: dict[str, list[int]],
    constants: dict[str, NDArray[np.generic]],
) -> bool:
    if node.op_type in ("Reshape", "Flatten"):
        return all(side == 1 for side in (*shapes[source][2:], *shapes[node.output[0]][2:]))
    if node.op_type == "ReduceMean":
        axes = constants.get(node.input[1]) if len(node.input) > 1 else None
        return axes is not None and not {0, 1} & {int(a) % len(shapes[source]) for a in axes}
    return node.op_type in _SAME


def _unscalable(
    node: NodeProto, ties: _Ties | None, constants: dict[str, NDArray[np.generic]]
) -> Sequence[str]:
    """Name the values around a node whose channels have to keep their scale."""
    if node.op_type not in LAYERS:
        return [*node.input, *node.output] if ties is None else []
    if any(name and name not in constants for name in node.input[1:]):
        return [*node.input, *node.output]
    return []


def _merge(ties: _Ties, count: int) -> _Channels:
    """Return the lowest channel that each is tied to, over any number of ties."""
    labels = np.arange(count)
    while True:
        before = labels.copy()
        for one, other in ties:
            lowest = np.minimum(labels[one], labels[other])
            labels[one] = labels[other] = lowest
        if (labels == before).all():
            return labels
