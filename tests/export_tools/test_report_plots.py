"""The front holds what nothing beats, and plots are plain SVG."""

import itertools
import xml.etree.ElementTree as ET

from export_tools.report_plots import Dot, draw_bars, draw_scatter, pareto_front

DOTS = [Dot("fp32", 4.0, 1.0), Dot("int8", 2.0, 0.94), Dot("worse", 2.5, 0.93), Dot("<b>", 1, 0.5)]


def test_the_front_goes_from_cheap_to_good() -> None:
    assert [dot.name for dot in pareto_front(DOTS)] == ["<b>", "int8", "fp32"]


def test_of_equal_cost_only_the_best_is_on_the_front() -> None:
    assert pareto_front([Dot("a", 1, 0.9), Dot("b", 1, 0.95)]) == [Dot("b", 1, 0.95)]


def test_plots_are_well_formed_and_names_do_not_overlap() -> None:
    root = ET.fromstring(draw_scatter([*DOTS, Dot("near", 2.0, 0.939)], "ms", "agreement"))
    names = {dot.name for dot in DOTS} | {"near"}
    rows = sorted(float(text.attrib["y"]) for text in root.iter("text") if text.text in names)
    assert all(lower - upper > 13.8 for upper, lower in itertools.pairwise(rows))
    bars = ET.fromstring(draw_bars([("a", 0.5), ("b", -0.25)]))
    widths = [float(bar.attrib["width"]) for bar in bars.iter("rect")]
    assert abs(widths[0] - 2 * widths[1]) < 0.5
