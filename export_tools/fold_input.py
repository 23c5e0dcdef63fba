"""Let the uint8 image itself be the first quantised tensor.

A contract graph begins Cast, Mul, Add, Conv. Quantised as it stands, the image is made float,
normalised and rounded to 256 levels again: time (0.15 to 0.3 ms at 224 px), and a rounding that
the image does not need. Two steps avoid it, both exact up to the rounding of a bias:

1. `absorb_scale`, before quantising: the multiplication moves into the convolution's weights, and
   what remains is (image - mean).
2. `feed_image`, after it: the image goes straight to the convolution as a tensor of scale 1. The
   mean is its zero point where all channels share a whole number; otherwise it moves into the
   bias, computed from the *quantised* weights, for else their rounding errors would be multiplied
   by the mean. The bias cannot hold it where the convolution pads, so such a stem stays as it is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from export_tools.layer_inputs import groups_of
from service.engine.session import INPUT_NAME

_Floats = NDArray[np.float64]
_SCALE, _ZERO_POINT = "image_scale", "image_zero_point"


@dataclass(frozen=True, slots=True)
class Stem:
    """The nodes of a contract graph's beginning."""

    cast: NodeProto
    multiply: NodeProto
    add: NodeProto
    conv: NodeProto


def find_stem(model: ModelProto) -> Stem | None:
    """Return the Cast, Mul, Add, Conv that the graph begins with, or None if it does not."""
    nodes: list[NodeProto] = []
    value = INPUT_NAME
    for operator in ("Cast", "Mul", "Add", "Conv"):
        users = [node for node in model.graph.node if value in node.input]
        if len(users) != 1 or users[0].op_type != operator or users[0].input[0] != value:
            return None
        nodes.append(users[0])
        value = users[0].output[0]
    # A depthwise first layer has no axis of input channels that a scale could go into.
    return None if groups_of(nodes[-1]) > 1 else Stem(*nodes)


def absorb_scale(model: ModelProto) -> _Floats | None:
    """Move the normalisation's multiplication into the first convolution, in place.

    Returns:
        The mean that is still subtracted, [3], on grey levels; None if the graph begins otherwise
        and is left as it was.
    """
    stem = find_stem(model)
    if stem is None:
        return None
    scale = _read(model, stem.multiply.input[1]).reshape(1, 3, 1, 1)
    offset = _read(model, stem.add.input[1]).reshape(1, 3, 1, 1)
    _write(model, stem.conv.input[1], _read(model, stem.conv.input[1]) * scale, np.float32)
    _write(model, stem.add.input[1], offset / scale, np.float32)
    stem.add.input[0] = stem.cast.output[0]
    model.graph.node.remove(stem.multiply)
    model.graph.initializer.remove(_tensor(model, stem.multiply.input[1]))
    return -(offset / scale).reshape(3)


def feed_image(model: ModelProto, mean: _Floats) -> bool:
    """Feed the image to the first quantised convolution, in place.

    Args:
        model: a graph that `absorb_scale` and then the quantiser changed.
        mean: what `absorb_scale` returned.

    Returns:
        Whether it could be done; the graph is unchanged if not.
    """
    makers = {name: node for node in model.graph.node for name in node.output}
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    dequantize = makers.get(conv.input[0])
    if dequantize is None or dequantize.op_type != "DequantizeLinear" or len(conv.input) < 3:
        return False
    before = [makers[dequantize.input[0]]]
    while before[-1].input[0] != INPUT_NAME:
        before.append(makers[before[-1].input[0]])
    if [node.op_type for node in before] != ["QuantizeLinear", "Add", "Cast"]:
        return False
    zero_point = _shared_whole_number(mean)
    if zero_point is None and _pads(conv):
        return False
    subtracted = mean if zero_point is None else np.zeros(3)
    _rewrite_bias(model, makers[conv.input[1]], makers[conv.input[2]], subtracted)
    _add(model, _SCALE, np.array(1.0, np.float32))
    _add(model, _ZERO_POINT, np.array(zero_point or 0, np.uint8))
    del dequantize.input[:]
    dequantize.input.extend([INPUT_NAME, _SCALE, _ZERO_POINT])
    for node in before:
        model.graph.node.remove(node)
    return True


def _shared_whole_number(mean: _Floats) -> int | None:
    value = round(float(mean[0]))
    return value if 0 <= value <= 255 and np.allclose(mean, value, rtol=0, atol=1e-4) else None


def _pads(conv: NodeProto) -> bool:
    pads = [list(item.ints) for item in conv.attribute if item.name == "pads"]
    return any(any(values) for values in pads)


def _rewrite_bias(
    model: ModelProto, weight: NodeProto, bias: NodeProto, subtracted: _Floats
) -> None:
    """Take the mean's share out of the bias, and put it on the scale of an image of scale 1."""
    weight_scale = _read(model, weight.input[1])
    whole = _read(model, weight.input[0])
    if len(weight.input) > 2:
        whole -= _read(model, weight.input[2]).reshape(-1)[0]  # one for all channels
    kernels = whole * weight_scale.reshape(-1, 1, 1, 1)
    values = _read(model, bias.input[0]) * _read(model, bias.input[1])
    values -= (kernels.sum(axis=(2, 3)) * subtracted).sum(axis=1)
    _write(model, bias.input[0], np.round(values / weight_scale), np.int32)
    _write(model, bias.input[1], weight_scale, np.float32)


def _tensor(model: ModelProto, name: str) -> TensorProto:
    found: TensorProto = next(t for t in model.graph.initializer if t.name == name)
    return found


def _read(model: ModelProto, name: str) -> _Floats:
    return numpy_helper.to_array(_tensor(model, name)).astype(np.float64)


def _write(model: ModelProto, name: str, values: _Floats, kind: type[np.generic]) -> None:
    _tensor(model, name).CopyFrom(numpy_helper.from_array(np.asarray(values, kind), name))


def _add(model: ModelProto, name: str, values: NDArray[np.generic]) -> None:
    model.graph.initializer.append(numpy_helper.from_array(values, name))
