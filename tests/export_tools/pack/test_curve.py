"""The table of the trade-off: measured, written, read back, drawn from."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from export_tools.draft import Draft
from export_tools.pack.curve import measure
from export_tools.pack.harm import divergence
from export_tools.pack.plan import PackPlan
from export_tools.pack.points import Point, as_markdown, read_csv, write_csv
from tests.export_tools.conftest import random_planes
from tests.support.process import ROOT


def test_each_plan_has_a_row_beside_the_parent_s(
    make_draft: Callable[[str], Draft], tmp_path: Path
) -> None:
    parent = make_draft("tiny")
    points = list(measure(parent, {"trellis": [PackPlan(8)]}, images=4))
    assert [point.way for point in points] == ["fp32", "trellis"]
    assert points[0].agreement == points[0].in_top5 == 1
    assert points[1].file_bytes < points[0].file_bytes == len(parent.graph)
    assert all(point.load_ms > 0 and point.images == 180 for point in points)
    write_csv(points, tmp_path / "curve.csv")
    assert read_csv(tmp_path / "curve.csv") == points


def test_a_row_keeps_its_types(tmp_path: Path) -> None:
    point = Point("a", "b", 2.5, 1, 2, 0.5, 1.0, 1.0, 3, 4, 5, 6.5, 7.5)
    write_csv([point, replace(point, model="c")], tmp_path / "curve.csv")
    assert read_csv(tmp_path / "curve.csv")[0] == point


def test_divergence_is_nothing_from_itself_and_more_from_others() -> None:
    first, second = (
        random_planes(2).reshape(2, -1)[:, i : i + 50].astype("f4") + 1 for i in (0, 50)
    )
    first, second = first / first.sum(1, keepdims=True), second / second.sum(1, keepdims=True)
    assert divergence(first, first) < 1e-9
    assert divergence(first, second) > 0.1


def test_the_tables_of_the_docs_are_those_of_the_measured_rows() -> None:
    page = (ROOT / "docs" / "pack.md").read_text("utf-8")
    points = read_csv(ROOT / "docs" / "pack.csv")
    models = list(dict.fromkeys(point.model for point in points))
    assert models == ["squeezenet1_1", "efficientnet_lite0"]
    for model in models:
        assert as_markdown([point for point in points if point.model == model]) in page
