"""What stays float is found in the graph itself, and the table says so."""

import io

import onnx
from rich.console import Console

from export_tools.check_float import (
    FloatRow,
    default_rows,
    float_row,
    operators_in_float,
    print_rows,
)
from export_tools.compress import Plan, compress_graph
from export_tools.zoo import ZooRow
from models import list_models
from tests.export_tools.conftest import random_planes


def test_the_tail_of_a_graph_is_float_by_rule(tiny_graph: bytes) -> None:
    made = compress_graph(tiny_graph, list(random_planes(4)), Plan(), {})[0]
    original, quantized = (onnx.load_model_from_string(data) for data in (tiny_graph, made))
    assert operators_in_float(original, quantized) == {"ReduceMean": 1}
    kept = next(node.name for node in original.graph.node if node.op_type == "Gemm")
    made = compress_graph(tiny_graph, list(random_planes(4)), Plan(keep_float=(kept,)), {})[0]
    assert operators_in_float(original, onnx.load_model_from_string(made))["Gemm"] == 1


def test_a_net_has_its_row() -> None:
    row = float_row(ZooRow("lightweight_cnn", 32), budget=1.0, rounds=1)
    assert row.weight_bytes == 1
    assert all(0 < macs < 1 for _, _, macs in row.by_sensitivity)
    assert row.speed_ratio > 0


def test_a_slow_net_is_told_to_be_refused() -> None:
    layers = [(f"layer{place}", 0.2, 0.1) for place in range(5)]
    row = FloatRow("slow", {"ReduceMean": 1}, layers, 1.0, 0.8, "refused: slower than fp32")
    file = io.StringIO()
    print_rows(Console(file=file), [row])
    for text in ("1 ReduceMean", "layer0 (20%, 10.0%)", "2 more", "0.80x", "refused"):
        assert text in file.getvalue()


def test_every_net_is_there_once() -> None:
    assert [row.architecture for row in default_rows()] == sorted(list_models())
