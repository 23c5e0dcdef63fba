"""Which layers does rounding hurt, and which of them are worth their time in float?

Each layer in turn gets its float weights back and an input that is not rounded, while all others
stay int8; by how much the answers come nearer to the parent's is what its rounding costs. The
distance is the mean total variation of the answers, which sees a change long before a top-1
flips; agreement is beside it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper

from export_tools.evaluate import agreement, run_all
from export_tools.fold_input import absorb_scale
from export_tools.graph_clean import clean_graph
from export_tools.graph_macs import infer_shapes
from export_tools.layer_inputs import LAYERS
from service.engine.session import OrtSession, SessionOptions

_WORTH = 0.05  # share of the whole distance that a layer must take away to be kept float


@dataclass(frozen=True, slots=True)
class LayerCost:
    """What rounding one layer costs.

    `gain` is the distance that goes when the layer is float, `same` the views that agree then,
    `macs` its share of all multiply-accumulates.
    """

    name: str
    weight: str
    gain: float
    same: int
    macs: float


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """Of a whole graph: distance and agreement on `images` views, and its layers, worst first."""

    distance: float
    same: int
    images: int
    layers: tuple[LayerCost, ...]

    def worth_float(self, budget: float) -> tuple[str, ...]:
        """Name the layers to keep float: those that hurt, within a share of all MACs.

        A float layer takes two to three times the time of an int8 one, so `budget` bounds what
        is lost of the speed.
        """
        chosen: list[str] = []
        left = budget
        for layer in self.layers:
            if layer.gain >= _WORTH * self.distance and layer.macs <= left:
                chosen.append(layer.name)
                left -= layer.macs
        return tuple(chosen)


def measure_sensitivity(
    graph: bytes, parent: bytes, planes: Sequence[NDArray[np.uint8]]
) -> Sensitivity:
    """Release one layer after the other.

    Args:
        graph: int8, made of `parent` by `compress`.
        parent: fp32.
        planes: views that were not calibrated with, uint8 [3, height, width] each.
    """
    quantized, original = onnx.load_model_from_string(graph), onnx.load_model_from_string(parent)
    wanted = run_all(OrtSession(parent, SessionOptions()), planes)
    shares = _macs(original)
    absorb_scale(original)

    def look(model: bytes) -> tuple[float, int]:
        found = run_all(OrtSession(model, SessionOptions()), planes)
        distance = float(np.abs(found - wanted).sum(axis=1).mean() / 2)
        return distance, agreement(wanted, found).same

    distance, same = look(graph)
    layers = []
    for node in original.graph.node:
        if node.op_type in LAYERS:
            released = release_layer(quantized, original, node.name)
            if released is not None:
                now, agreed = look(released)
                share = shares.get(node.name, 0.0)
                layers.append(LayerCost(node.name, node.input[1], distance - now, agreed, share))
    layers.sort(key=lambda layer: -layer.gain)
    return Sensitivity(distance, same, len(planes), tuple(layers))


def release_layer(quantized: ModelProto, original: ModelProto, name: str) -> bytes | None:
    """Return a copy of the graph with one layer's input and weights in float; None if they are."""
    model = ModelProto()
    model.CopyFrom(quantized)
    makers = {output: node for node in model.graph.node for output in node.output}
    layer = next((node for node in model.graph.node if node.name == name), None)
    source = next(node for node in original.graph.node if node.name == name)
    weight = makers.get(layer.input[1]) if layer is not None else None
    if layer is None or weight is None or weight.op_type != "DequantizeLinear":
        return None
    tensors = {tensor.name: tensor for tensor in original.graph.initializer}
    values = numpy_helper.to_array(tensors[source.input[1]])
    released = f"{source.input[1]}_released"
    model.graph.initializer.append(numpy_helper.from_array(values, released))
    layer.input[1] = released
    _unround(model, layer, makers)
    _drop_unused(model)
    return clean_graph(model)


def _unround(model: ModelProto, layer: NodeProto, makers: dict[str, NodeProto]) -> None:
    """Clip a layer's input to its range instead of rounding it: the range is the ReLU, too."""
    dequantize = makers.get(layer.input[0])
    quantize = makers.get(dequantize.input[0]) if dequantize is not None else None
    if quantize is None or quantize.op_type != "QuantizeLinear":
        return
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    scale = float(numpy_helper.to_array(tensors[quantize.input[1]]))
    zero = numpy_helper.to_array(tensors[quantize.input[2]])
    kind = np.iinfo(zero.dtype)
    ends = [f"{layer.name}_{end}" for end in ("low", "high")]
    for name, bound in zip(ends, (kind.min, kind.max), strict=True):
        value = np.array((bound - int(zero)) * scale, np.float32)
        model.graph.initializer.append(numpy_helper.from_array(value, name))
    clipped = f"{layer.name}_unrounded"
    clip = onnx.helper.make_node("Clip", [quantize.input[0], *ends], [clipped], clipped)
    layer.input[0] = clipped
    model.graph.node.insert(list(model.graph.node).index(layer), clip)


def _drop_unused(model: ModelProto) -> None:
    """Remove nodes that nobody reads any more."""
    while True:
        used = {name for node in model.graph.node for name in node.input}
        used |= {value.name for value in model.graph.output}
        idle = [node for node in model.graph.node if not used & set(node.output)]
        if not idle:
            return
        for node in idle:
            model.graph.node.remove(node)


def _macs(model: ModelProto) -> dict[str, float]:
    """Return each layer's share of all MACs."""
    shapes = infer_shapes(model)
    macs = {
        node.name: math.prod(shapes[node.output[0]]) * math.prod(shapes[node.input[1]][1:])
        if node.op_type == "Conv"
        else math.prod(shapes[node.input[1]])
        for node in model.graph.node
        if node.op_type in LAYERS
    }
    return {name: count / sum(macs.values()) for name, count in macs.items()}
