"""Layers that hurt are found, and kept float only within the budget."""

import onnx

from export_tools.compress import Plan, compress_graph
from export_tools.sensitivity import LayerCost, Sensitivity, measure_sensitivity, release_layer
from tests.export_tools.conftest import random_planes


def test_the_layer_that_was_spoilt_costs_most(tiny_graph: bytes) -> None:
    planes = list(random_planes(12))
    model = onnx.load_model_from_string(compress_graph(tiny_graph, planes, Plan(), {})[0])
    for tensor in model.graph.initializer:
        if "left" in tensor.name and tensor.name.endswith("weight_quantized"):
            spoilt = -onnx.numpy_helper.to_array(tensor)
            tensor.CopyFrom(onnx.numpy_helper.from_array(spoilt, tensor.name))
    found = measure_sensitivity(model.SerializeToString(), tiny_graph, planes)
    assert found.layers[0].weight == "net.left.weight"
    assert len(found.layers) == 4
    assert abs(sum(layer.macs for layer in found.layers) - 1) < 1e-9


def test_a_float_layer_cannot_be_released(tiny_graph: bytes) -> None:
    model = onnx.load_model_from_string(tiny_graph)
    name = next(node.name for node in model.graph.node if node.op_type == "Conv")
    assert release_layer(model, model, name) is None


def test_the_budget_bounds_what_stays_float() -> None:
    layers = (
        LayerCost("big", "w", 0.5, 0, 0.6),
        LayerCost("small", "w", 0.3, 0, 0.1),
        LayerCost("harmless", "w", 0.001, 0, 0.01),
    )
    found = Sensitivity(1.0, 0, 10, layers)
    assert found.worth_float(0.2) == ("small",)
    assert found.worth_float(0.71) == ("big", "small")
