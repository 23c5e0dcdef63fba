"""Statistics over rounds."""

import pytest

from benchmarks.summary import Row, median_rows, percentile, summarise


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert percentile(values, 0.5) == 3.0
    assert percentile(values, 0.99) == 5.0
    assert percentile([7.0], 0.01) == 7.0


def test_p99_of_a_hundred_is_the_second_largest_but_none() -> None:
    values = [float(i) for i in range(1, 101)]
    assert percentile(values, 0.99) == 99.0
    assert percentile(values, 1.0) == 100.0


def test_the_spread_is_the_range_over_the_median() -> None:
    summary = summarise([9.0, 10.0, 12.0])
    assert (summary.median, summary.low, summary.high) == (10.0, 9.0, 12.0)
    assert summary.spread == pytest.approx(0.3)


def test_rounds_are_folded_into_medians_by_key() -> None:
    rows: list[Row] = [
        {"model": "a", "round": 0, "per_s": 10.0, "p50": 1.0},
        {"model": "b", "round": 0, "per_s": 5.0, "p50": 4.0},
        {"model": "a", "round": 1, "per_s": 20.0, "p50": 3.0},
    ]
    first, second = median_rows(rows, "model")
    assert first == {"model": "a", "per_s": 15.0, "spread": pytest.approx(2 / 3), "p50": 2.0}
    assert second == {"model": "b", "per_s": 5.0, "spread": 0.0, "p50": 4.0}


def test_a_round_without_figures_leaves_the_others_and_its_reason() -> None:
    rows: list[Row] = [
        {"subject": "a", "round": 0, "per_s": 10.0},
        {"subject": "a", "round": 1, "problem": "did not answer"},
        {"subject": "b", "round": 0, "problem": "not installed"},
    ]
    first, second = median_rows(rows, "subject")
    assert (first["per_s"], first["problem"]) == (10.0, "did not answer")
    assert (second["per_s"], second["problem"]) == (None, "not installed")
