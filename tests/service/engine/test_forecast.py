"""What an image will take: from the last ones, else from the benchmark."""

import pytest

from service.engine.benchmark import Benchmark
from service.engine.forecast import Forecast, Recent
from service.engine.pipeline import StageTimes


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def alone(milliseconds: float) -> Benchmark:
    return Benchmark(milliseconds, milliseconds, 8 * milliseconds, None, 100.0, 2)


def times(inference: float) -> StageTimes:
    return StageTimes(queue=50.0, decode=1.0, preprocess=2.0, inference=inference, postprocess=0.5)


def test_of_many_values_the_slowest_twentieth_is_left_out() -> None:
    recent = Recent()
    for value in range(1, 129):
        recent.add(float(value))
    assert recent.p95() == 122.0


def test_of_few_values_nothing_is_said() -> None:
    recent = Recent()
    for _ in range(15):
        recent.add(1.0)
    assert recent.p95() is None


def test_old_values_are_forgotten() -> None:
    clock = Clock()
    recent = Recent(clock)
    for _ in range(32):
        recent.add(100.0)
    clock.now = 6.0
    assert recent.p95() is None
    for _ in range(16):
        recent.add(1.0)
    assert recent.p95() == 1.0


def test_a_model_in_use_takes_what_it_took() -> None:
    forecast = Forecast()
    for _ in range(16):
        forecast.observe("small", times(2.0))
    assert forecast.work_ms("small", 9.0) == pytest.approx(5.5)


def test_an_unused_model_takes_its_benchmark_and_the_rest_of_the_work() -> None:
    forecast = Forecast()
    assert forecast.work_ms("large", 7.0) == 7.0
    forecast.expect("large", alone(6.0))
    assert forecast.work_ms("large", 7.0) == 6.0
    for _ in range(16):
        forecast.observe("small", times(2.0))
    assert forecast.work_ms("large", 7.0) == pytest.approx(9.5)


def test_the_way_to_the_wire_counts_as_well() -> None:
    forecast = Forecast()
    for _ in range(16):
        forecast.observe("small", times(2.0), way_out_ms=1.5)
    assert forecast.way_out_ms() == pytest.approx(1.5)
    assert forecast.work_ms("small", 9.0) == pytest.approx(7.0)


def test_the_ratio_of_two_unmeasured_models_is_that_of_their_medians() -> None:
    forecast = Forecast()
    forecast.expect("small", Benchmark(1.0, 9.0, 8.0, None, 100.0, 2))  # one run of few was slow
    forecast.expect("large", alone(6.0))
    assert forecast.work_ms("small", 0.0) == 9.0
    for _ in range(16):
        forecast.observe("large", times(60.0))
    assert forecast.work_ms("small", 0.0) == pytest.approx(3.5 + 10.0)


def test_a_box_that_is_slower_now_is_expected_to_be_so_for_all_models() -> None:
    forecast = Forecast()
    forecast.expect("small", alone(1.0))
    forecast.expect("large", alone(6.0))
    for _ in range(16):
        forecast.observe("small", times(2.0))
    assert forecast.work_ms("large", 0.0) == pytest.approx(15.5)
