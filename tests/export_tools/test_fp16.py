"""Half precision: smaller, under the same contract, with nearly the same answers."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from export_tools.errors import ExportError
from export_tools.fp16 import to_fp16, weights_to_fp16
from export_tools.graph_checks import check_contract
from service.engine.session import OrtSession, SessionOptions
from tests.export_tools.conftest import TINY_INPUT, random_planes


@pytest.mark.parametrize("convert", [to_fp16, weights_to_fp16])
def test_answers_stay_and_the_contract_holds(
    tiny_graph: bytes, convert: Callable[[bytes], bytes]
) -> None:
    planes = random_planes(8)
    graph = convert(tiny_graph)
    check_contract(graph, TINY_INPUT, 4)
    found = OrtSession(graph, SessionOptions()).run(planes)
    wanted = OrtSession(tiny_graph, SessionOptions()).run(planes)
    np.testing.assert_allclose(found, wanted, atol=0.02)
    assert found.dtype == np.float32


def test_a_weight_beyond_the_range_is_named(tiny_graph: bytes) -> None:
    model = onnx.load_model_from_string(tiny_graph)
    tensor = next(t for t in model.graph.initializer if "right.weight" in t.name)
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * 1e9, tensor.name))
    with pytest.raises(ExportError, match=r"right\.weight"):
        weights_to_fp16(model.SerializeToString())
