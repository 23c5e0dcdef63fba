"""The report's page: every figure with its counts, everything written by others escaped."""

from dataclasses import replace

import pytest

from export_tools.evaluate import Accuracy, Agreement
from export_tools.report_page import Flip, Page, Row, render_page
from export_tools.sensitivity import LayerCost, Sensitivity

FP32 = Row("fp32", 4_000_000, 1000, 5000, Accuracy(20, 15, 18), Agreement(180, 180, 98, 98), 4.0, 1)
INT8 = Row(
    "quantize", 1_000_000, 1000, 5000, Accuracy(20, 14, 17), Agreement(180, 171, 98, 97), 2.0, 2.0
)
FLIP = Flip("AAAA", [("<cat>", 0.4), ("dog", 0.3)], [("dog", 0.5), ("<cat>", 0.2)])
PAGE = Page("mine-int8", [FP32, INT8], None, [FLIP], None)
LAYERS = Sensitivity(
    0.04,
    170,
    180,
    (LayerCost("a", "net.features.0.weight", 0.02, 172, 0.06), LayerCost("b", "b", -0.01, 168, 0)),
)


def test_the_figures_stand_with_their_counts() -> None:
    text = render_page(PAGE)
    for figure in ("4.0x", "2.00x", "171/180", "97/98", "0.950 (171/180)", "0.700 (14/20)"):
        assert figure in text


def test_labels_are_escaped() -> None:
    text = render_page(replace(PAGE, title="<mine>"))
    assert "&lt;cat&gt;" in text
    assert "<cat>" not in text
    assert "<mine>" not in text


def test_the_page_asks_nobody_for_anything() -> None:
    text = render_page(replace(PAGE, sensitivity=LAYERS))
    for word in ("http://", "https://", "<script", "url(", "@import"):
        assert word not in text


def test_accuracy_is_plotted_where_there_are_labels() -> None:
    labelled = render_page(PAGE)
    assert labelled.count("<svg") == 4
    assert "top-1" in labelled
    rows = [replace(row, right=Accuracy()) for row in PAGE.rows]
    assert render_page(replace(PAGE, rows=rows)).count("<svg") == 2


def test_layers_are_named_by_what_they_are_in_the_net() -> None:
    text = render_page(replace(PAGE, sensitivity=LAYERS))
    assert ">0</text>" in text
    assert "+0.0200" in text
    assert "-0.0100" in text


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        (replace(PAGE, flips=[]), "On none of 180 views."),
        (PAGE, "9 of 180 views"),
        (replace(PAGE, without_vnni=Agreement(180, 134, 98, 90)), "134/180"),
    ],
    ids=["no flip", "flips", "without VNNI"],
)
def test_what_is_special_is_told(page: Page, sentence: str) -> None:
    assert sentence in render_page(page)


def test_the_csv_has_a_cell_for_each_column() -> None:
    cells = dict(zip(Row.COLUMNS, INT8.cells(), strict=True))
    assert cells["agreement"] == 171
    assert cells["speed_ratio"] == "2.000"
