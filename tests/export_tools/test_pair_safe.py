"""Weights are scaled just enough that no pair of products leaves 16 bits."""

import numpy as np
import onnx
from onnx import numpy_helper

from export_tools.pair_safe import make_pair_safe, safe_rows
from export_tools.quantize import quantize_graph
from export_tools.saturation import largest_pair
from tests.export_tools.conftest import random_planes


def test_only_channels_with_two_large_neighbours_get_another_scale() -> None:
    rows = np.array([[1.27, 0.0, 1.27, 0.0], [1.27, 1.27, 0.0, 0.0], [1.27, -1.27, 0.0, 0.3]])
    nearest = np.round(rows * 100).astype(np.int16)
    whole, scales = safe_rows(nearest, rows, np.full(3, 0.01))
    assert scales[[0, 2]].tolist() == [0.01, 0.01]
    assert 0.0198 <= scales[1] <= 0.0201
    assert whole.tolist() == np.round(rows / scales[:, None]).tolist()
    assert (largest_pair(whole.astype(np.int8)) <= 128).all()


def test_no_layer_of_a_graph_can_saturate_and_weights_stay_near(tiny_graph: bytes) -> None:
    model = onnx.load_model_from_string(tiny_graph)
    quantized = quantize_graph(model, list(random_planes(8)))
    assert make_pair_safe(quantized, model) > 0
    tensors = {t.name: numpy_helper.to_array(t) for t in quantized.graph.initializer}
    floats = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    makers = {name: node for node in quantized.graph.node for name in node.output}
    original = {node.name: node for node in model.graph.node}
    for node in quantized.graph.node:
        if node.op_type != "Conv":
            continue
        weight, bias = makers[node.input[1]], makers[node.input[2]]
        whole, scale = tensors[weight.input[0]], tensors[weight.input[1]]
        assert (largest_pair(whole) <= 128).all()
        wanted = floats[original[node.name].input[1]]
        steps = scale.reshape(-1, 1, 1, 1)
        assert (np.abs(whole * steps - wanted) <= 0.51 * steps).all()
        shift = tensors[bias.input[0]] * tensors[bias.input[1]]
        np.testing.assert_allclose(shift, floats[original[node.name].input[2]], atol=1e-3)
