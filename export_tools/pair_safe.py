"""Scale int8 weights so that no two neighbouring products leave 16 bits.

Seven-bit weights (`reduce_range`) are safe for a host without VNNI, and lose half of every
channel's steps. Most channels have no two large neighbours: here a channel's scale grows only as
far as its own worst pair asks for, so that the sum of two neighbours of one sign is at most 128
and 255 * 128 fits. The median channel of SqueezeNet 1.1 keeps 81 of
100 steps and that of EfficientNet-Lite0 97, instead of 50.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from export_tools.saturation import largest_pair

_LIMIT = 128
_LAYERS = ("Conv", "Gemm")
_Floats = NDArray[np.float64]


def make_pair_safe(quantized: ModelProto, original: ModelProto) -> int:
    """Requantise the weights that could saturate, in place.

    Args:
        quantized: what the quantiser made of `original`; layers have kept their names.
        original: the float graph.

    Returns:
        How many output channels got another scale.
    """
    tensors = {tensor.name: tensor for tensor in quantized.graph.initializer}
    floats = {tensor.name: tensor for tensor in original.graph.initializer}
    makers = {name: node for node in quantized.graph.node for name in node.output}
    trained = {n.name: n.input[1] for n in original.graph.node if n.op_type in _LAYERS}
    changed = 0
    for node in quantized.graph.node:
        weight = makers.get(node.input[1]) if node.op_type in _LAYERS else None
        if weight is None or weight.op_type != "DequantizeLinear" or node.name not in trained:
            continue
        bias = makers.get(node.input[2]) if len(node.input) > 2 else None
        values = numpy_helper.to_array(floats[trained[node.name]]).astype(np.float64)
        changed += _mend(tensors, weight, bias, values)
    return changed


def safe_scales(rows: _Floats, scales: _Floats) -> _Floats:
    """Return scales, as small as the given ones allow, by which no pair saturates.

    Args:
        rows: float weights [out, channels, ...].
        scales: [out].
    """
    shape = (-1, *[1] * (rows.ndim - 1))
    found = scales.copy()
    while True:
        whole = np.round(rows / found.reshape(shape)).clip(-127, 127).astype(np.int8)
        worst = largest_pair(whole)
        if (worst <= _LIMIT).all():
            return found
        found = np.where(worst > _LIMIT, found * np.maximum(worst / _LIMIT, 1.002), found)


def _mend(
    tensors: Mapping[str, TensorProto], weight: NodeProto, bias: NodeProto | None, values: _Floats
) -> int:
    whole = numpy_helper.to_array(tensors[weight.input[0]])
    if whole.dtype != np.int8 or (whole.ndim == 4 and whole.shape[1] == 1):
        return 0  # depthwise kernels multiply in 32 bits
    axis = next((item.i for item in weight.attribute if item.name == "axis"), 0)
    rows = np.moveaxis(values, axis, 0)
    before = numpy_helper.to_array(tensors[weight.input[1]]).astype(np.float64)
    after = safe_scales(rows, before)
    mended = np.round(rows / after.reshape(-1, *[1] * (rows.ndim - 1))).clip(-127, 127)
    grown = after != before
    kept = np.moveaxis(whole, axis, 0).astype(np.float64)
    kept[grown] = mended[grown]
    _put(tensors, weight.input[0], np.moveaxis(kept, 0, axis), np.int8)
    _put(tensors, weight.input[1], after, np.float32)
    if bias is not None and bias.op_type == "DequantizeLinear":
        scale = numpy_helper.to_array(tensors[bias.input[1]]).astype(np.float64)
        steps = numpy_helper.to_array(tensors[bias.input[0]]).astype(np.float64)
        _put(tensors, bias.input[0], np.round(steps * before / after), np.int32)
        _put(tensors, bias.input[1], scale * after / before, np.float32)
    return int(grown.sum())


def _put(
    tensors: Mapping[str, TensorProto], name: str, values: _Floats, kind: type[np.generic]
) -> None:
    tensors[name].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values.astype(kind)), name))
