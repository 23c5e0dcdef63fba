"""Figures of one model: real sessions, and that a measurement gives way."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from service.engine.artifact import LoadedModel, load_artifact
from service.engine.benchmark import Benchmark, Interrupted, measure
from service.engine.session import SessionOptions
from service.errors import ModelFailed
from tests.support.artifacts import write_artifact
from tests.support.sessions import BrokenSession, GatedSession


@pytest.fixture
def model(tmp_path: Path) -> LoadedModel:
    return load_artifact(write_artifact(tmp_path), SessionOptions())


def test_every_figure_is_measured(model: LoadedModel) -> None:
    wide = model.widened(SessionOptions(lone_request_threads=2))
    figures = measure(wide, threads=2, seconds=0.01)
    assert 0 < figures.batch1_ms <= figures.batch1_p95_ms
    assert figures.batch8_ms > 0
    assert figures.batch1_all_threads_ms is not None
    assert figures.images_per_second > 0
    assert figures.threads == 2


def test_without_a_session_for_lone_images_that_figure_is_null(model: LoadedModel) -> None:
    assert measure(model, threads=1, seconds=0.01).batch1_all_threads_ms is None


def test_figures_survive_a_file() -> None:
    figures = Benchmark(1.5, 2.0, 9.0, None, 430.0, 2)
    assert Benchmark.from_dict(figures.to_dict()) == figures
    with pytest.raises(TypeError):
        Benchmark.from_dict({"batch1_ms": 1.0})


def test_as_many_runs_at_a_time_as_there_are_workers(model: LoadedModel) -> None:
    gated = GatedSession(model.session)
    measuring = threading.Thread(
        target=measure, args=(replace(model, session=gated), 3, 0.01), daemon=True
    )
    gated.gate.set()
    measuring.start()
    measuring.join(30)
    gated.gate.clear()
    assert not measuring.is_alive()
    assert gated.runs > 2 * 13 + 3


def test_it_asks_before_each_run_and_may_be_interrupted(model: LoadedModel) -> None:
    asked = []

    def turn() -> bool:
        asked.append(1)
        if len(asked) == 5:
            raise Interrupted
        return False

    gated = GatedSession(model.session)
    gated.gate.set()
    with pytest.raises(Interrupted):
        measure(replace(model, session=gated), 1, 0.01, turn)
    assert gated.runs == 4


def test_a_disturbed_rate_is_measured_again_and_not_for_ever(model: LoadedModel) -> None:
    with pytest.raises(Interrupted):
        measure(model, 2, 0.01, lambda: True)


def test_a_model_that_fails_is_told(model: LoadedModel) -> None:
    broken = replace(model, session=BrokenSession(ModelFailed("It fails.")))
    with pytest.raises(ModelFailed):
        measure(broken, 1, 0.01)
