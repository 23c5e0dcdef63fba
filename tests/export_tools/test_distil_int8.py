"""What rounding cost is learnt back, and no weight strays."""

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from export_tools.compress import Plan, compress_graph
from export_tools.distil_int8 import Lesson, Student, distil, teach
from export_tools.fold_input import absorb_scale
from service.engine.session import OrtSession, SessionOptions
from tests.export_tools.conftest import random_planes

PLANES = list(random_planes(16))
LESSON = Lesson(steps=40, batch=8, mixed=0.0, seed=3)


@pytest.fixture(scope="module")
def quantized(tiny_graph: bytes) -> bytes:
    return compress_graph(tiny_graph, PLANES, Plan(), {})[0]


def spoilt(graph: bytes) -> bytes:
    """Return a graph with each bias wrong by as much as would flip answers."""
    model = onnx.load_model_from_string(graph)
    for tensor in model.graph.initializer:
        if tensor.name.endswith("bias_quantized"):
            values = numpy_helper.to_array(tensor)
            moved = (values + np.abs(values).mean() * 0.2).astype(np.int32)
            tensor.CopyFrom(numpy_helper.from_array(moved, tensor.name))
    data: bytes = model.SerializeToString()
    return data


def distance(graph: bytes, parent: bytes) -> float:
    found, wanted = (OrtSession(g, SessionOptions()).run(np.stack(PLANES)) for g in (graph, parent))
    return float(np.abs(found - wanted).sum(axis=1).mean() / 2)


def test_a_spoilt_model_comes_nearer_to_its_parent(quantized: bytes, tiny_graph: bytes) -> None:
    graph = spoilt(quantized)
    learnt, step = teach(graph, tiny_graph, PLANES, LESSON)
    assert distance(learnt, tiny_graph) < 0.85 * distance(graph, tiny_graph)
    assert step.settings["steps"] == 40
    assert step.settings["views"] == 16


def test_the_graph_stays_and_weights_move_by_the_reach_at_most(
    quantized: bytes, tiny_graph: bytes
) -> None:
    learnt, _ = teach(quantized, tiny_graph, PLANES, LESSON)
    before, after = (onnx.load_model_from_string(data) for data in (quantized, learnt))
    assert [n.op_type for n in before.graph.node] == [n.op_type for n in after.graph.node]
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in after.graph.initializer}
    for tensor in before.graph.initializer:
        if tensor.name.endswith("weight_quantized"):
            moved = tensors[tensor.name].astype(int) - numpy_helper.to_array(tensor)
            assert np.abs(moved).max() <= LESSON.reach + 1  # a step, and how both were rounded


def test_every_quantised_layer_can_learn(quantized: bytes, tiny_graph: bytes) -> None:
    model, original = (onnx.load_model_from_string(g) for g in (quantized, tiny_graph))
    absorb_scale(original)
    student = Student(model, original)
    assert len(student.layers) == 4
    known = student.known()
    for layer in student.layers:
        whole = known[layer.weight.input[0]]
        assert torch.equal(whole, whole.round())


def test_each_step_tells_its_loss(quantized: bytes, tiny_graph: bytes) -> None:
    model, original = (onnx.load_model_from_string(g) for g in (quantized, tiny_graph))
    absorb_scale(original)
    told: list[tuple[int, float]] = []
    mean = distil(model, original, PLANES, Lesson(steps=3, batch=2), lambda *x: told.append(x))
    assert [step for step, _ in told] == [0, 1, 2]
    assert mean == told[-1][1]
