"""What the quantiser makes int8, and what stays float."""

import numpy as np
import onnx
from onnx import TensorProto

from export_tools.quantize import PlanesReader, float_nodes, quantize_graph
from tests.export_tools.conftest import random_planes


def test_stem_and_tail_stay_float(tiny_graph: bytes) -> None:
    model = onnx.load_model_from_string(tiny_graph)
    kinds = {node.name: node.op_type for node in model.graph.node}
    left_out = [kinds[name] for name in float_nodes(model)]
    assert left_out[:3] == ["Cast", "Mul", "Add"]
    assert "Softmax" in left_out
    assert not {"Conv", "Gemm", "Concat", "Relu"} & set(left_out)


def test_a_graph_without_pooling_keeps_only_its_end_float() -> None:
    names = [("Cast", "a"), ("Conv", "b"), ("Relu", "c"), ("Conv", "d"), ("Softmax", "e")]
    nodes = [onnx.helper.make_node(op, [name], [name + "_"], name=name) for op, name in names]
    model = onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", [], []))
    assert float_nodes(model) == ["a", "e"]


def test_weights_are_int8_by_channel_and_activations_uint8(tiny_graph: bytes) -> None:
    model = onnx.load_model_from_string(tiny_graph)
    quantized = quantize_graph(model, list(random_planes(8)))
    tensors = {tensor.name: tensor for tensor in quantized.graph.initializer}
    makers = {name: node for node in quantized.graph.node for name in node.output}
    for node in quantized.graph.node:
        if node.op_type == "Conv":
            scales, zeros = (tensors[name] for name in makers[node.input[1]].input[1:])
            assert list(scales.dims) == [tensors[makers[node.input[1]].input[0]].dims[0]]
            assert zeros.data_type == TensorProto.INT8
        if node.op_type == "QuantizeLinear":
            assert tensors[node.input[2]].data_type == TensorProto.UINT8
    assert "Relu" not in {node.op_type for node in quantized.graph.node}
    gemm = next(node for node in quantized.graph.node if node.op_type == "Gemm")
    users = {node.op_type for node in quantized.graph.node if gemm.output[0] in node.input}
    assert users == {"Softmax"}, "logits are not rounded"
    assert onnx.load_model_from_string(tiny_graph) == model, "the original is as it was"


def test_the_reader_hands_out_batches_of_one_and_ends() -> None:
    planes = random_planes(2)
    reader = PlanesReader(list(planes))
    first = reader.get_next()
    assert first is not None
    np.testing.assert_array_equal(first["image"], planes[:1])
    assert reader.get_next() is not None
    assert reader.get_next() is None
