"""Take the mean error of rounded weights out of a quantised graph, through its biases.

Rounding the weights of a layer shifts the mean of each of its outputs by the rounding errors times
the mean of its inputs. That shift is known from the calibration images, so the bias can take it
back; nothing else changes, neither size nor speed. It matters most where an output sums few
products, as in depthwise layers. Source: Nagel et al., "Data-Free Quantization Through Weight
Equalization and Bias Correction", 2019, https://arxiv.org/abs/1906.04721, section 4.2, with means
measured instead of derived. Measured on 468 unseen photos and crops, EfficientNet-Lite0: the
total variation distance to fp32 falls from 0.050 to 0.033, agreement rises from 0.944 to 0.962.
"""

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper

from export_tools.layer_inputs import LAYERS, run_for

_Floats = NDArray[np.float64]
_INT32 = np.iinfo(np.int32)


def correct_biases(
    quantized: ModelProto, original: ModelProto, planes: Sequence[NDArray[np.uint8]]
) -> int:
    """Correct the biases of a quantised graph, in place.

    Args:
        quantized: what the quantiser made of `original`; layers have kept their names.
        original: the float graph.
        planes: calibration images, uint8 [3, height, width] each.

    Returns:
        How many layers were corrected: those with a bias that are not kept float.
    """
    layers = {node.name: node for node in quantized.graph.node if node.op_type in LAYERS}
    makers = {name: node for node in quantized.graph.node for name in node.output}
    means = input_means(original, planes)
    ours, theirs = _tensors(quantized), _tensors(original)
    corrected = 0
    for node in original.graph.node:
        layer = layers.get(node.name)
        if node.op_type not in LAYERS or layer is None or len(layer.input) < 3:
            continue
        weight, bias = makers.get(layer.input[1]), makers.get(layer.input[2])
        if weight is None or bias is None:
            continue  # kept float
        error = _values(theirs, node.input[1]) - _dequantized(ours, weight)
        shift = mean_shift(node, error, means[node.input[0]])
        scale = _values(ours, bias.input[1])
        moved = np.divide(shift, scale, out=np.zeros_like(shift), where=scale > 0)
        # A dead channel has no scale, and one that is nearly dead a bias at the end of its range.
        steps = np.round(_values(ours, bias.input[0]) + moved).clip(_INT32.min, _INT32.max)
        tensor = ours[bias.input[0]]
        tensor.CopyFrom(numpy_helper.from_array(steps.astype(np.int32), bias.input[0]))
        corrected += 1
    return corrected


def input_means(model: ModelProto, planes: Sequence[NDArray[np.uint8]]) -> dict[str, _Floats]:
    """Return the mean by channel of what each layer reads, over all images and places."""
    names = [node.input[0] for node in model.graph.node if node.op_type in LAYERS]
    sums: dict[str, _Floats] = {}
    for values in run_for(model, planes, names):
        for name, value in values.items():
            mean = value.mean(axis=(0, *range(2, value.ndim)), dtype=np.float64)
            sums[name] = sums.get(name, 0.0) + mean
    return {name: total / len(planes) for name, total in sums.items()}


def mean_shift(node: NodeProto, error: _Floats, means: _Floats) -> _Floats:
    """Return by how much weights that lack `error` lower the mean of each output.

    Args:
        node: a Conv, its weights [out, in / groups, kh, kw]; or a Gemm, [out, in] if it has
            transB and [in, out] otherwise.
        error: wanted weights less those that are used.
        means: of the inputs, [in].
    """
    if node.op_type == "Gemm":
        turned = any(item.name == "transB" and item.i for item in node.attribute)
        return (error if turned else error.T) @ means
    outputs, width = error.shape[:2]
    groups = len(means) // width
    by_group = error.sum(axis=(2, 3)).reshape(groups, outputs // groups, width)
    shift: _Floats = np.einsum("goi,gi->go", by_group, means.reshape(groups, width))
    return shift.reshape(outputs)


def _tensors(model: ModelProto) -> dict[str, onnx.TensorProto]:
    return {tensor.name: tensor for tensor in model.graph.initializer}


def _values(tensors: dict[str, onnx.TensorProto], name: str) -> _Floats:
    return numpy_helper.to_array(tensors[name]).astype(np.float64)


def _dequantized(tensors: dict[str, onnx.TensorProto], node: NodeProto) -> _Floats:
    """Return the float values behind a DequantizeLinear of weights."""
    values, scale = _values(tensors, node.input[0]), _values(tensors, node.input[1])
    if len(node.input) > 2:
        values = values - _values(tensors, node.input[2]).reshape(-1)[0]  # one for all channels
    axis = next((item.i for item in node.attribute if item.name == "axis"), 1)
    shape = [-1 if place == axis else 1 for place in range(values.ndim)]
    return values * (scale.reshape(shape) if scale.ndim else scale)
