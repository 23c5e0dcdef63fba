"""A gate that does not hold is named with what was measured, beside all others."""

import numpy as np
import onnx
import pytest
from onnx import ModelProto, numpy_helper

from export_tools.compress import Plan, compress_graph
from export_tools.evaluate import Agreement
from export_tools.gates import Int8Gates, bytes_per_weight, check_int8, check_speed
from service.errors import GateFailed
from tests.export_tools.conftest import random_planes

GOOD = Agreement(images=180, same=162, sure_images=100, sure_same=98)


def graph_of(*kinds: type[np.generic]) -> bytes:
    """Make a graph of layers with 36 weights each, of the given types."""
    model = ModelProto()
    for place, kind in enumerate(kinds):
        values = np.zeros((4, 1, 3, 3), kind)
        model.graph.initializer.append(numpy_helper.from_array(values, f"w{place}"))
        node = onnx.helper.make_node("Conv", ["x", f"w{place}"], [f"y{place}"])
        model.graph.node.append(node)
    data: bytes = model.SerializeToString()
    return data


INT8, HALF_FLOAT = graph_of(np.int8), graph_of(np.int8, np.float32)


def test_a_model_just_at_the_gates_passes() -> None:
    check_int8(Int8Gates(), GOOD, INT8)
    check_speed(Int8Gates(), 1.0)


@pytest.mark.parametrize(
    ("found", "graph", "text"),
    [
        pytest.param(Agreement(149, 149, 90, 90), INT8, "only 149 views", id="views"),
        pytest.param(Agreement(180, 161, 100, 98), INT8, "161/180 is below 90%", id="all"),
        pytest.param(Agreement(180, 170, 100, 97), INT8, "97/100 is below 98%", id="sure"),
        pytest.param(GOOD, HALF_FLOAT, r"takes 2\.50 bytes .* more than 1\.1", id="size"),
    ],
)
def test_each_gate_refuses(found: Agreement, graph: bytes, text: str) -> None:
    with pytest.raises(GateFailed, match=text):
        check_int8(Int8Gates(), found, graph)


def test_int8_that_is_slower_is_refused() -> None:
    with pytest.raises(GateFailed, match=r"0\.99x fp32, below 1x on this host"):
        check_speed(Int8Gates(), 0.99)


def test_all_failures_are_told_together() -> None:
    with pytest.raises(GateFailed, match=r"views.*all views.*where fp32 is sure.*a weight takes"):
        check_int8(Int8Gates(), Agreement(10, 1, 5, 1), HALF_FLOAT)


def test_a_tiny_net_is_not_refused_for_its_names_and_scales(tiny_graph: bytes) -> None:
    made, _ = compress_graph(tiny_graph, list(random_planes(4)), Plan(), {})
    assert len(made) > len(tiny_graph), "500 weights are less than what surrounds them"
    assert bytes_per_weight(onnx.load_model_from_string(made)) == 1
    assert bytes_per_weight(onnx.load_model_from_string(tiny_graph)) == 4
