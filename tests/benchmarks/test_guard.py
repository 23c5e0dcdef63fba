"""What one request costs in calls and allocations, beside the stored baseline."""

import pytest

from benchmarks.guard import current_versions, measure, read_baseline, regressions
from benchmarks.server import ROOT


@pytest.fixture(scope="module")
def counts() -> list[dict[str, int]]:
    return [measure(ROOT / "model_repository") for _ in range(2)]


def test_a_request_costs_the_same_calls_each_time(counts: list[dict[str, int]]) -> None:
    first, second = ([count for name, count in each.items() if "calls" in name] for each in counts)
    assert len(first) == 4
    assert first == pytest.approx(second, abs=2)


def test_a_request_costs_no_more_than_the_baseline(counts: list[dict[str, int]]) -> None:
    baseline = read_baseline()
    if baseline.versions != current_versions():
        pytest.skip("the baseline was stored with other versions: python -m benchmarks.guard")
    assert regressions(counts[0], baseline.counts) == []


def test_a_count_above_the_tolerance_is_a_regression() -> None:
    baseline = {"calls": 100, "kept": 0}
    assert regressions({"calls": 107, "kept": 2}, baseline) == []
    assert len(regressions({"calls": 108, "kept": 3}, baseline)) == 2


def test_fewer_is_no_regression() -> None:
    assert regressions({"calls": 50}, {"calls": 100}) == []


def test_a_count_without_a_baseline_is_a_regression() -> None:
    assert regressions({"new": 5}, {}) == ["new: 5, the baseline is None"]
