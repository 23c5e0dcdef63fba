"""Average pools as depthwise convolutions, before a graph is quantised.

The runtime's quantised average pool is slow: in Lite-Inception nine of them take more time than 77
convolutions, and int8 runs at 0.75 of fp32's speed. Keeping the pools float changes nothing, for
the runtime fuses what stands between two quantised values. A depthwise convolution whose weights
are all 1/n is the same sum, its weights are one number per channel and so lose nothing to rounding,
and it has a fast kernel: 1.9 times fp32's speed, on the same net.

The last pooling stays as it is: it and what follows are float (see `quantize`).
"""

import math

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper

from export_tools.graph_macs import AVERAGING, infer_shapes
from export_tools.quantize import float_nodes


def average_by_convolution(model: ModelProto) -> int:
    """Replace average pools in place; return how many.

    A pool that divides by the values it met instead of by its window's size (partial windows,
    padding that does not count) is left as it is.
    """
    shapes, kept = infer_shapes(model), set(float_nodes(model))
    replaced = 0
    for node in model.graph.node:
        if node.op_type != "AveragePool" or node.name in kept or not _divides_evenly(node):
            continue
        _replace(model, node, channels=shapes[node.input[0]][1])
        replaced += 1
    return replaced


def _divides_evenly(node: NodeProto) -> bool:
    known = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    if known.get("ceil_mode") or known.get("auto_pad", b"NOTSET") != b"NOTSET":
        return False
    return bool(known.get("count_include_pad")) or not any(known.get("pads", []))


def _replace(model: ModelProto, node: NodeProto, channels: int) -> None:
    kept = [item for item in node.attribute if item.name in ("kernel_shape", "strides", "pads")]
    window = next(list(item.ints) for item in kept if item.name == "kernel_shape")
    weight = np.full((channels, 1, *window), 1 / math.prod(window), np.float32)
    node.op_type = "Conv"
    node.name += AVERAGING
    del node.attribute[:]
    node.attribute.extend([*kept, onnx.helper.make_attribute("group", channels)])
    _give(model, node, "weight", weight)
    _give(model, node, "bias", np.zeros(channels, np.float32))  # later steps correct it


def _give(model: ModelProto, node: NodeProto, part: str, values: NDArray[np.float32]) -> None:
    name = f"{node.name}.{part}"
    model.graph.initializer.append(numpy_helper.from_array(values, name))
    node.input.append(name)
