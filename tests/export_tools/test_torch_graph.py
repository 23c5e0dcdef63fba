"""The runner in PyTorch answers as ONNX Runtime does."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from export_tools.compress import Plan, compress_graph
from export_tools.errors import ExportError
from export_tools.torch_graph import TorchGraph, round_through
from service.engine.session import OUTPUT_NAME, OrtSession, SessionOptions
from tests.export_tools.conftest import random_planes


@pytest.mark.parametrize("quantized", [False, True])
def test_it_answers_as_the_runtime_does(tiny_graph: bytes, quantized: bool) -> None:
    planes = random_planes(8)
    graph = compress_graph(tiny_graph, list(planes), Plan(), {})[0] if quantized else tiny_graph
    runner = TorchGraph(onnx.load_model_from_string(graph))
    with torch.no_grad():
        found = runner.run(torch.from_numpy(planes).float())[OUTPUT_NAME].numpy()
    wanted = OrtSession(graph, SessionOptions()).run(planes)
    np.testing.assert_allclose(found, wanted, atol=0.02 if quantized else 1e-5)


def test_rounding_passes_gradients_through() -> None:
    values = torch.tensor([0.4, 1.6], requires_grad=True)
    rounded = round_through(values)
    rounded.sum().backward()  # type: ignore[no-untyped-call]
    assert rounded.tolist() == [0.0, 2.0]
    assert values.grad is not None
    assert values.grad.tolist() == [1.0, 1.0]


def test_values_that_are_given_are_not_computed(tiny_graph: bytes) -> None:
    runner = TorchGraph(onnx.load_model_from_string(tiny_graph))
    given = torch.zeros(1, 4)
    image = torch.zeros(1, 3, 32, 32)
    assert runner.run(image, {OUTPUT_NAME: given})[OUTPUT_NAME] is given


def test_an_unknown_operator_is_named() -> None:
    node = helper.make_node("Erf", ["x"], ["y"])
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    model = helper.make_model(helper.make_graph([node], "g", [value], []))
    with pytest.raises(ExportError, match="Erf"):
        TorchGraph(model)
