"""Count the multiply-accumulates of an ONNX graph, by the convention of `models.counting`.

Convolutions and matrix products of one image; no bias, normalisation, activation or pooling, nor
pooling that was written as a convolution (`average_pool` names those nodes). The
net's own count comes from its modules, this one from what was exported, so the two check each
other.
"""

import math

import onnx
from onnx import ModelProto, NodeProto

from export_tools.errors import ExportError

Shapes = dict[str, list[int]]
AVERAGING = "_averages"  # ends the name of a convolution that is an average pool
_PRODUCTS = ("Gemm", "MatMul")


def count_graph_macs(model: ModelProto) -> int:
    """Count the MACs of one image through a graph whose only open axis is the batch.

    Raises:
        ExportError: the shape of a layer's values cannot be inferred.
    """
    shapes = infer_shapes(model)
    makers = {name: node for node in model.graph.node for name in node.output}
    return sum(
        _macs(node, shapes)
        for node in model.graph.node
        if node.op_type in ("Conv", *_PRODUCTS)
        and not node.name.endswith(AVERAGING)
        and not _normalises(node, makers)
    )


def infer_shapes(model: ModelProto) -> Shapes:
    """Return the shapes of all values for a batch of one, as far as they can be inferred."""
    one = ModelProto()
    one.CopyFrom(model)
    for value in (*one.graph.input, *one.graph.output):
        dims = value.type.tensor_type.shape.dim
        if dims and dims[0].dim_param:
            dims[0].dim_value = 1
    del one.graph.value_info[:]
    graph = onnx.shape_inference.infer_shapes(one, data_prop=True).graph
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output, *graph.value_info)
    }
    return shapes | {tensor.name: list(tensor.dims) for tensor in graph.initializer}


def _macs(node: NodeProto, shapes: Shapes) -> int:
    outputs = shapes.get(node.output[0], [])
    if node.op_type == "Conv":
        # Each output sums a kernel over the input channels of its group.
        products = math.prod(shapes.get(node.input[1], [0])[1:])
    else:
        transposed = any(item.name == "transA" and item.i for item in node.attribute)
        products = shapes.get(node.input[0], [0])[0 if transposed else -1]
    macs = math.prod(outputs) * products
    if macs == 0:
        raise ExportError(f"The shapes around {node.op_type} {node.name!r} cannot be inferred.")
    return macs


def _normalises(node: NodeProto, makers: dict[str, NodeProto]) -> bool:
    """Tell whether a convolution sums squares, as local response normalisation does."""
    value = node.input[0]
    while value in makers and makers[value].op_type in ("QuantizeLinear", "DequantizeLinear"):
        value = makers[value].input[0]
    maker = makers.get(value)
    return maker is not None and maker.op_type == "Mul" and maker.input[0] == maker.input[1]
