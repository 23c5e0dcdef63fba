"""Percentiles over a sliding window, against exact ones."""

import math
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.engine.latency import LatencyWindow
from service.engine.pipeline import STAGES, StageTimes


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def same(milliseconds: float) -> StageTimes:
    return StageTimes(*[milliseconds] * len(STAGES))


def nearest_rank(values: list[float], share: float) -> float:
    return sorted(values)[math.ceil(share * len(values)) - 1]


def window_of(values: list[float]) -> LatencyWindow:
    window = LatencyWindow(300)
    for value in values:
        window.add(same(value))
    return window


def test_an_empty_window_has_no_percentiles() -> None:
    assert LatencyWindow(300).summary() == (0, {})


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("count", [1, 2, 10, 1000])
def test_percentiles_are_within_2_percent_of_the_exact_ones(seed: int, count: int) -> None:
    values = np.random.default_rng(seed).lognormal(1.0, 1.5, count).tolist()
    total, stages = window_of(values).summary()
    assert total == count
    assert stages.keys() == set(STAGES)
    for name, share in (("p50", 0.50), ("p90", 0.90), ("p99", 0.99)):
        assert stages["total"][name] == pytest.approx(nearest_rank(values, share), rel=0.021)


@given(st.lists(st.floats(0.02, 100_000), min_size=1, max_size=50))
def test_percentiles_stay_in_order_and_near_what_was_counted(values: list[float]) -> None:
    _, stages = window_of(values).summary()
    found = [stages["decode"][name] for name in ("p50", "p90", "p99")]
    assert found == sorted(found)
    for name, share in (("p50", 0.50), ("p90", 0.90), ("p99", 0.99)):
        assert stages["decode"][name] == pytest.approx(nearest_rank(values, share), rel=0.021)


def test_each_stage_has_its_own_numbers() -> None:
    window = LatencyWindow(300)
    window.add(StageTimes(queue=0.0, decode=1, preprocess=2, inference=4, postprocess=8, total=16))
    _, stages = window.summary()
    found = [stages[stage]["p50"] for stage in STAGES]
    assert found == pytest.approx([0, 1, 2, 4, 8, 16], rel=0.021)


@pytest.mark.parametrize("extreme", [0.0, 1e-9, 1e9])
def test_times_beyond_the_scale_are_counted(extreme: float) -> None:
    count, stages = window_of([extreme]).summary()
    assert count == 1
    assert math.isfinite(stages["total"]["p99"])


def test_what_is_older_than_the_window_is_forgotten() -> None:
    clock = Clock()
    window = LatencyWindow(300, clock)
    window.add(same(100))
    clock.now += 200
    window.add(same(1))
    assert window.summary()[0] == 2
    clock.now += 101
    count, stages = window.summary()
    assert count == 1
    assert stages["total"]["p99"] == pytest.approx(1, rel=0.021)
    clock.now += 300
    assert window.summary() == (0, {})


def test_the_window_slides_in_small_steps() -> None:
    clock = Clock()
    window = LatencyWindow(300, clock)
    for _ in range(900):
        window.add(same(1))
        clock.now += 1
    count, _ = window.summary()
    assert 285 <= count <= 300


def test_threads_lose_no_counts() -> None:
    window = LatencyWindow(300)

    def add_many() -> None:
        for _ in range(2000):
            window.add(same(1))

    threads = [threading.Thread(target=add_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert window.summary()[0] == 8000
