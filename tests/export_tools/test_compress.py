"""The steps from fp32 to int8, by plan."""

import numpy as np
import onnx
import pytest

from export_tools.compress import Plan, compress_graph, first_layers
from export_tools.distil_int8 import Lesson
from export_tools.errors import ExportError
from export_tools.onnx_export import export_onnx
from export_tools.schemes import COMPARED, Scheme
from export_tools.weights import Normalisation
from service.engine.session import OrtSession, SessionOptions
from tests.export_tools.conftest import (
    TINY_INPUT,
    TINY_LABELS,
    random_planes,
    tiny_serving_net,
)


@pytest.mark.parametrize("scheme", COMPARED.values(), ids=COMPARED)
def test_every_scheme_answers_nearly_as_fp32(tiny_graph: bytes, scheme: Scheme) -> None:
    planes = random_planes(24)
    graph, steps = compress_graph(tiny_graph, list(planes), Plan(scheme), {"views": 24})
    found = OrtSession(graph, SessionOptions()).run(planes)
    wanted = OrtSession(tiny_graph, SessionOptions()).run(planes)
    assert float(np.abs(found - wanted).mean()) < 0.02
    assert steps[-1].settings["views"] == 24
    assert steps[-1].settings["weights"] == f"{scheme.weights} per channel"


@pytest.mark.parametrize("scheme", COMPARED.values(), ids=COMPARED)
def test_every_scheme_folds_a_mean_of_each_channel(scheme: Scheme) -> None:
    net = tiny_serving_net(Normalisation((123.7, 116.3, 103.5), (58.4, 57.1, 57.4)), padding=0)
    graph, planes = export_onnx(net, TINY_INPUT, len(TINY_LABELS)), random_planes(24)
    made, steps = compress_graph(graph, list(planes), Plan(scheme), {})
    found = OrtSession(made, SessionOptions()).run(planes)
    wanted = OrtSession(graph, SessionOptions()).run(planes)
    assert steps[-1].settings["normalisation_folded"] is (scheme.activations == "uint8")
    assert float(np.abs(found - wanted).mean()) < 0.03


def test_a_layer_is_kept_float(tiny_graph: bytes) -> None:
    model = onnx.load_model_from_string(tiny_graph)
    name = [node.name for node in model.graph.node if node.op_type == "Conv"][-1]
    graph, steps = compress_graph(tiny_graph, list(random_planes(8)), Plan(keep_float=(name,)), {})
    kept = next(n for n in onnx.load_model_from_string(graph).graph.node if n.name == name)
    weights = {tensor.name for tensor in onnx.load_model_from_string(graph).graph.initializer}
    assert kept.input[1] in weights
    assert steps[-1].settings["layers_kept_float"] == name


@pytest.mark.parametrize("count", [0, 1, 3, 9])
def test_layers_from_the_image_on_stay_float(tiny_graph: bytes, count: int) -> None:
    layers = first_layers(onnx.load_model_from_string(tiny_graph), 9)
    plan = Plan(float_first=count)
    graph, steps = compress_graph(tiny_graph, list(random_planes(8)), plan, {})
    model = onnx.load_model_from_string(graph)
    whole = {t.name for t in model.graph.initializer if t.data_type == onnx.TensorProto.INT8}
    makers = {node.output[0]: node.input[0] for node in model.graph.node}
    kept = [
        node.name
        for node in model.graph.node
        if node.name in layers and makers.get(node.input[1]) not in whole
    ]
    assert kept == list(layers[:count])
    if count:
        assert steps[-1].settings["layers_kept_float"] == ", ".join(kept)
    assert steps[-1].settings["normalisation_folded"] is (count == 0)


def test_without_compensation_weights_take_the_nearest_step(tiny_graph: bytes) -> None:
    planes = list(random_planes(8))
    made, steps = compress_graph(tiny_graph, planes, Plan(compensate=False), {})
    assert "layers_compensated" not in steps[-1].settings
    other, steps = compress_graph(tiny_graph, planes, Plan(), {})
    assert steps[-1].settings["layers_compensated"] == 4
    assert made != other


def test_an_unknown_layer_is_refused(tiny_graph: bytes) -> None:
    with pytest.raises(ExportError, match="no node nowhere"):
        compress_graph(tiny_graph, list(random_planes(2)), Plan(keep_float=("nowhere",)), {})


def test_a_lesson_is_a_step_and_repeats_to_the_byte(tiny_graph: bytes) -> None:
    planes = list(random_planes(12))
    plan = Plan(equalise=0.5, lesson=Lesson(steps=4, batch=4))
    first, steps = compress_graph(tiny_graph, planes, plan, {})
    second, _ = compress_graph(tiny_graph, planes, plan, {})
    assert first == second
    assert [step.step for step in steps] == [
        "cross-layer equalisation",
        "static int8",
        "distilled from fp32",
    ]
    assert steps[2].settings["views"] == 12


def test_layers_that_hurt_stay_float_within_the_budget(tiny_graph: bytes) -> None:
    planes = list(random_planes(12))
    plan = Plan(float_budget=0.5)
    graph, steps = compress_graph(tiny_graph, planes, plan, {})
    settings = steps[-1].settings
    assert settings["float_budget_of_macs"] == 0.5
    kept = str(settings["layers_kept_float"]).split(", ")
    model = onnx.load_model_from_string(graph)
    weights = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm"):
            assert (node.input[1] in weights) is (node.name in kept)
    wanted = OrtSession(tiny_graph, SessionOptions()).run(np.stack(planes))
    whole, _ = compress_graph(tiny_graph, planes, Plan(), {})
    lost = [
        float(np.abs(OrtSession(made, SessionOptions()).run(np.stack(planes)) - wanted).mean())
        for made in (graph, whole)
    ]
    assert lost[0] < lost[1]
