"""Goals, verdicts and the figure over the best rival."""

import pytest

from benchmarks.compare import OUT_OF_BOX
from benchmarks.goals import MET, MET_IN_MEDIAN, MISSED, NOT_MEASURED, Goal
from benchmarks.summary import Row
from benchmarks.table import accuracy_rows, over_best_rival

AT_LEAST = Goal("ratio", "at least", 0.95)
AT_MOST = Goal("memory", "at most", 120)


@pytest.mark.parametrize(
    ("goal", "values", "verdict"),
    [
        pytest.param(AT_LEAST, [0.95, 0.97], MET, id="on the bound is met"),
        pytest.param(AT_LEAST, [0.9, 0.96, 0.97], MET_IN_MEDIAN, id="one round below"),
        pytest.param(AT_LEAST, [0.9, 0.94, 0.97], MISSED, id="median below"),
        pytest.param(AT_MOST, [119.0, 120.0], MET, id="at most, met"),
        pytest.param(AT_MOST, [121.0], MISSED, id="at most, missed"),
        pytest.param(AT_MOST, [], NOT_MEASURED, id="no values"),
    ],
)
def test_the_verdict_follows_the_bound(goal: Goal, values: list[float], verdict: str) -> None:
    assert goal.verdict(values) == verdict


def test_a_row_tells_goal_median_range_and_verdict() -> None:
    assert AT_LEAST.row([0.9, 1.0, 0.96]) == {
        "figure": "ratio", "goal": "at least 0.95", "median": 0.96, "low": 0.9, "high": 1.0,
        "values": 3, "verdict": MET_IN_MEDIAN,
    }  # fmt: skip


def test_a_figure_that_was_not_measured_is_still_in_the_table() -> None:
    row = AT_MOST.row([])
    assert (row["median"], row["verdict"]) == (None, NOT_MEASURED)


def test_the_best_rival_is_chosen_anew_in_each_round() -> None:
    rows: list[Row] = [
        {"subject": "in process: the rivals' job", "round": 0, "per_s": 900.0},
        {"subject": OUT_OF_BOX, "round": 0, "steady_per_s": 300.0},
        {"subject": "mosec", "round": 0, "steady_per_s": 200.0},
        {"subject": "LitServe", "round": 0, "steady_per_s": 100.0},
        {"subject": OUT_OF_BOX, "round": 1, "steady_per_s": 300.0},
        {"subject": "mosec", "round": 1, "problem": "did not answer"},
        {"subject": "LitServe", "round": 1, "steady_per_s": 150.0},
    ]
    assert over_best_rival(rows) == [1.5, 2.0]


def test_without_rivals_there_is_no_figure_over_them() -> None:
    assert over_best_rival([{"subject": OUT_OF_BOX, "round": 0, "steady_per_s": 300.0}]) == []


def test_the_shortcuts_are_judged_at_their_worst_size() -> None:
    shared: dict[str, str | float | None] = {"model": "net", "top1_ours": 0.7, "top1_plain": 0.7}
    rows: list[Row] = [
        {**shared, "size": "640x480", "equal": 1.0, "equal_sure": 1.0},
        {**shared, "size": "12 MP", "equal": 0.9, "equal_sure": 1.0},
        {**shared, "size": "all", "equal": 0.95, "equal_sure": 1.0},
    ]
    equal, sure, labelled = accuracy_rows(rows)
    assert (equal["low"], equal["values"]) == (0.9, 2)
    assert equal["verdict"] != MET
    assert (sure["verdict"], labelled["verdict"]) == (MET, MET)
