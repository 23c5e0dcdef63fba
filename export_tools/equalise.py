"""Give the channels of an activation similar ranges, by moving factors between layers.

An activation has one scale for all its channels, so a channel that is small beside its neighbours
has few steps. A factor per channel can move from the layers that make an activation into those that
read it: ReLU, pooling, sums and concatenations commute with factors above zero, so the float
answers stay what they were. Weights have a scale for each output channel, so the layers that make
the activation lose nothing; those that read it get less even rows, and the factor balances both.

A Clip with an upper end (ReLU6) does not commute: its channels, and all that are tied to them, are
left alone, see `channel_ties`.

Sources: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction",
2019, https://arxiv.org/abs/1906.04721, section 4.1; Xiao et al., "SmoothQuant", 2022,
https://arxiv.org/abs/2211.10438, section 4, for the activations' measured ranges in the place of
those of the weights that make them, which matter only where weights share one scale.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from export_tools.channel_ties import tie_channels
from export_tools.layer_inputs import LAYERS, groups_of, run_for

STRENGTH = 0.5
_WIDEST = 16.0  # a larger factor would serve channels that calibration hardly saw
_Floats = NDArray[np.float64]


def equalise(
    model: ModelProto, planes: Sequence[NDArray[np.uint8]], strength: float = STRENGTH
) -> int:
    """Equalise a float graph in place.

    Args:
        model: fp32; its answers stay the same up to the rounding of floats.
        planes: calibration images, uint8 [3, height, width] each.
        strength: 1 evens out the activations alone, 0 the columns of weights alone.

    Returns:
        How many channels got a factor.
    """
    tied = tie_channels(model)
    layers = [node for node in model.graph.node if node.op_type in LAYERS]
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    ranges = channel_ranges(model, planes, [node.input[0] for node in layers])
    activations, columns = np.zeros(len(tied.free)), np.zeros(len(tied.free))
    for name, found in ranges.items():
        # Beside the largest channel of its value, whose scale all of them share.
        np.maximum.at(activations, tied.groups[name], found / (found.max() or 1.0))
    for node in layers:
        np.maximum.at(columns, tied.groups[node.input[0]], _columns(_kernels(node, tensors)))
    factors = _factors(activations, columns, strength)
    factors[~tied.free] = 1.0
    for node in layers:
        made, read = factors[tied.groups[node.output[0]]], factors[tied.groups[node.input[0]]]
        _scale(node, tensors, made, read)
    return int((factors != 1.0).sum())


def channel_ranges(
    model: ModelProto, planes: Sequence[NDArray[np.uint8]], names: Sequence[str]
) -> dict[str, _Floats]:
    """Return the largest magnitude in each channel of the named values, over all images."""
    found: dict[str, _Floats] = {}
    for values in run_for(model, planes, names):
        for name, value in values.items():
            largest = np.abs(value).max(axis=(0, *range(2, value.ndim))).astype(np.float64)
            found[name] = np.maximum(found.get(name, 0.0), largest)
    return found


def _factors(activations: _Floats, columns: _Floats, strength: float) -> _Floats:
    """Return what each channel is multiplied by; 1 where it is silent or nobody reads it."""
    seen = (activations > 0) & (columns > 0)
    safe = np.where(seen, activations, 1.0), np.where(seen, columns, 1.0)
    return np.clip(safe[1] ** (1 - strength) / safe[0] ** strength, 1 / _WIDEST, _WIDEST)


def _kernels(node: NodeProto, tensors: Mapping[str, TensorProto]) -> _Floats:
    """Return a layer's weights as [group, output, input, kernel]."""
    values = numpy_helper.to_array(tensors[node.input[1]]).astype(np.float64)
    if node.op_type == "Gemm":
        turned = any(item.name == "transB" and item.i for item in node.attribute)
        return (values if turned else values.T)[np.newaxis, :, :, np.newaxis]
    groups = groups_of(node)
    return values.reshape(groups, len(values) // groups, values.shape[1], -1)


def _columns(kernels: _Floats) -> _Floats:
    """Return how large each input's weights are beside the largest of a row, at most."""
    largest = np.abs(kernels).max(axis=3)
    beside = largest / np.maximum(largest.max(axis=2, keepdims=True), np.finfo(np.float32).tiny)
    columns: _Floats = beside.max(axis=1).reshape(-1)
    return columns


def _scale(
    node: NodeProto, tensors: Mapping[str, TensorProto], made: _Floats, read: _Floats
) -> None:
    """Multiply a layer's outputs by `made`, and take `read` back from its inputs."""
    kernels = _kernels(node, tensors)
    groups, outputs, inputs, _ = kernels.shape
    kernels = kernels * made.reshape(groups, outputs, 1, 1) / read.reshape(groups, 1, inputs, 1)
    weight = tensors[node.input[1]]
    shape = tuple(weight.dims)
    if node.op_type == "Gemm":
        kernels = kernels[0, :, :, 0]
        kernels = kernels if kernels.shape == shape else kernels.T
    _write(weight, kernels.reshape(shape))
    if len(node.input) > 2:
        bias = tensors[node.input[2]]
        _write(bias, numpy_helper.to_array(bias) * made)


def _write(tensor: TensorProto, values: _Floats) -> None:
    tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float32), tensor.name))
