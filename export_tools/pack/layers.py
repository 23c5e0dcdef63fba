"""The layers of a graph whose weights are packed, and their weights as matrices."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from export_tools.layer_inputs import groups_of

Values = dict[str, NDArray[np.float32]]
_LEAST = 64  # weights below which a tensor stays as it is


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution or a fully connected layer: names of its node, weight and bias."""

    node: str
    weight: str
    bias: str | None
    groups: int


def find_layers(model: ModelProto) -> list[Layer]:
    """Return the layers whose weights are worth packing, in the graph's order.

    Weights that several nodes use, or that are not fp32, stay as they are.
    """
    floats = {t.name: t for t in model.graph.initializer if t.data_type == TensorProto.FLOAT}
    uses: dict[str, int] = {}
    for node in model.graph.node:
        for name in node.input:
            uses[name] = uses.get(name, 0) + 1
    found = []
    for node in model.graph.node:
        weight = node.input[1] if len(node.input) > 1 else ""
        if not _rows_first(node) or weight not in floats or uses[weight] > 1:
            continue
        bias = node.input[2] if len(node.input) > 2 else ""
        if np.prod(floats[weight].dims) >= _LEAST:
            owned = bias in floats and uses[bias] == 1
            found.append(Layer(node.name, weight, bias if owned else None, groups_of(node)))
    return found


def read_values(model: ModelProto) -> Values:
    """Return the graph's fp32 initialisers by name."""
    return {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
        if tensor.data_type == TensorProto.FLOAT
    }


def write_values(model: ModelProto, values: Values) -> None:
    """Replace initialisers of a graph in place."""
    for tensor in model.graph.initializer:
        if tensor.name in values:
            tensor.CopyFrom(numpy_helper.from_array(values[tensor.name], tensor.name))


def _rows_first(node: NodeProto) -> bool:
    """Whether the first axis of the node's weight is its output."""
    if node.op_type == "Gemm":
        return any(item.name == "transB" and item.i == 1 for item in node.attribute)
    return node.op_type == "Conv"
