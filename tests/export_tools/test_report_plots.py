"""The front holds what nothing beats, and plots are plain SVG."""

import itertools
import xml.etree.ElementTree as ET

import pytest

from export_tools.report_plots import Dot, draw_bars, draw_scatter, pareto_front, ticks

DOTS = [Dot("fp32", 4.0, 1.0), Dot("int8", 2.0, 0.94), Dot("worse", 2.5, 0.93), Dot("<b>", 1, 0.5)]


def test_the_front_goes_from_cheap_to_good() -> None:
    assert [dot.name for dot in pareto_front(DOTS)] == ["<b>", "int8", "fp32"]


def test_of_equal_cost_only_the_best_is_on_the_front() -> None:
    assert pareto_front([Dot("a", 1, 0.9), Dot("b", 1, 0.95)]) == [Dot("b", 1, 0.95)]


def test_plots_are_well_formed_and_names_do_not_overlap() -> None:
    root = ET.fromstring(draw_scatter([*DOTS, Dot("near", 2.0, 0.939)], "ms", "agreement"))
    names = {dot.name for dot in DOTS} | {"near"}
    texts = [text for text in root.iter("text") if text.text in names]
    assert len(texts) == 5
    for one, other in itertools.combinations(texts, 2):
        away = [abs(float(one.attrib[side]) - float(other.attrib[side])) for side in "xy"]
        assert away[0] > 100 or away[1] > 13
    bars = ET.fromstring(draw_bars([("a", 0.5), ("b", -0.25)]))
    widths = [float(bar.attrib["width"]) for bar in bars.iter("rect")]
    assert abs(widths[0] - 2 * widths[1]) < 0.5


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0.0, 4.6, [0, 1, 2, 3, 4, 5]),
        (0.935, 1.0, [0.92, 0.94, 0.96, 0.98, 1.0]),
        (0.0, 0.0, [0.0]),
    ],
)
def test_ticks_are_round_numbers_around_the_range(
    low: float, high: float, wanted: list[float]
) -> None:
    assert ticks(low, high, 5)[: len(wanted)] == pytest.approx(wanted)


def test_of_dots_on_one_place_that_of_the_front_is_on_top() -> None:
    root = ET.fromstring(draw_scatter([Dot("a", 4, 1), Dot("b", 4, 1), Dot("c", 2, 0.9)], "", ""))
    circles = [circle.attrib["class"] for circle in root.iter("circle")]
    assert circles == ["dot", "dot best", "dot best"]
