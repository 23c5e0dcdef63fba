"""Biases take back the mean error of rounded weights."""

import numpy as np
import onnx
import pytest
from onnx import ModelProto

from export_tools.correct_bias import correct_biases, input_means, mean_shift
from export_tools.graph_clean import clean_graph
from export_tools.quantize import quantize_graph
from service.engine.session import OrtSession, SessionOptions
from tests.export_tools.conftest import random_planes


def test_the_shift_of_a_grouped_convolution_is_that_of_its_mean() -> None:
    random = np.random.default_rng(2)
    error = random.normal(size=(6, 2, 3, 3))  # 3 groups of 2 inputs and 2 outputs
    means = random.normal(size=6)
    node = onnx.helper.make_node("Conv", ["x", "w", "b"], ["y"], group=3)
    expected = [
        sum(error[out, i].sum() * means[2 * (out // 2) + i] for i in range(2)) for out in range(6)
    ]
    np.testing.assert_allclose(mean_shift(node, error, means), expected)


@pytest.mark.parametrize("turned", [0, 1])
def test_the_shift_of_a_matrix_product(turned: int) -> None:
    error = np.arange(6.0).reshape(3, 2)  # [out, in]
    means = np.array([1.0, 10.0])
    node = onnx.helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=turned)
    shift = mean_shift(node, error if turned else error.T, means)
    np.testing.assert_allclose(shift, [10, 32, 54])


def test_means_are_of_what_a_layer_reads(tiny_graph: bytes) -> None:
    model = onnx.load_model_from_string(tiny_graph)
    planes = random_planes(4)
    stem = next(node for node in model.graph.node if node.op_type == "Conv")
    means = input_means(model, list(planes))
    expected = (planes.mean(axis=(0, 2, 3)) - 127) / 128
    np.testing.assert_allclose(means[stem.input[0]], expected, atol=1e-6)


def coarse(model: ModelProto) -> None:
    """Round all weights of a quantised graph down to multiples of 16, which shifts every mean."""
    makers = {name: node for node in model.graph.node for name in node.output}
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm"):
            tensor = tensors[makers[node.input[1]].input[0]]
            values = onnx.numpy_helper.to_array(tensor) // 16 * 16
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))


def test_it_brings_answers_back_to_those_of_fp32(tiny_graph: bytes) -> None:
    model, planes = onnx.load_model_from_string(tiny_graph), random_planes(32)
    wanted = OrtSession(tiny_graph, SessionOptions()).run(planes)
    quantized = quantize_graph(model, list(planes))
    coarse(quantized)
    errors = []
    for correct in (False, True):
        if correct:
            assert correct_biases(quantized, model, list(planes)) == 4
        copy = ModelProto()
        copy.CopyFrom(quantized)
        found = OrtSession(clean_graph(copy), SessionOptions()).run(planes)
        errors.append(float(np.abs(found - wanted).mean()))
    assert errors[1] < errors[0] / 3


@pytest.mark.parametrize("end", [np.iinfo(np.int32).min, np.iinfo(np.int32).max])
def test_a_bias_at_the_end_of_its_range_stays_there(tiny_graph: bytes, end: int) -> None:
    model, planes = onnx.load_model_from_string(tiny_graph), list(random_planes(8))
    quantized = quantize_graph(model, planes)
    coarse(quantized)
    makers = {name: node for node in quantized.graph.node for name in node.output}
    tensors = {tensor.name: tensor for tensor in quantized.graph.initializer}
    stem = next(node for node in quantized.graph.node if node.op_type == "Conv")
    bias = tensors[makers[stem.input[2]].input[0]]
    ends = np.full(8, end, np.int32)
    bias.CopyFrom(onnx.numpy_helper.from_array(ends, bias.name))
    correct_biases(quantized, model, planes)
    found = onnx.numpy_helper.to_array(bias)
    assert (np.sign(found) == np.sign(end)).all()
    assert (found == end).any()
