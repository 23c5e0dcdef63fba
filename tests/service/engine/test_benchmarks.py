"""The box measures its models: when idle, on demand, once for each file and host."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from service.engine.benchmark import Benchmark
from service.engine.benchmarks import Benchmarks
from service.engine.host import Host, describe_host
from service.engine.repository import ModelRepository
from service.engine.session import SessionOptions
from service.errors import BenchmarkRunning
from tests.support.artifacts import edit_manifest, write_artifact
from tests.support.sessions import gated
from tests.support.waiting import wait_until


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    write_artifact(tmp_path / "models", "colours")
    small = write_artifact(tmp_path / "models", "small", precision="int8")
    edit_manifest(small, quality={"parent": "colours"})
    models = ModelRepository(tmp_path / "models", SessionOptions(), describe_host())
    models.load_all()
    models.widen_all()
    return models


@contextmanager
def started(benchmarks: Benchmarks) -> Iterator[Benchmarks]:
    benchmarks.start()
    try:
        yield benchmarks
    finally:
        benchmarks.close(30.0)


def made(repository: ModelRepository, host: Host | None = None, **changes: object) -> Benchmarks:
    options: dict[str, object] = {"busy": lambda: False, "quiet_s": 0.0, **changes}
    return Benchmarks(repository, host or describe_host(), 1, **options)  # type: ignore[arg-type]


def test_an_idle_box_measures_every_model(repository: ModelRepository) -> None:
    benchmarks = made(repository)
    assert [benchmarks.of(model) for model in repository.models] == [None, None]
    with started(benchmarks):
        wait_until(lambda: all(map(benchmarks.of, repository.models)), "all are measured")


def test_a_busy_box_does_not(repository: ModelRepository) -> None:
    asked = threading.Semaphore(0)

    def busy() -> bool:
        asked.release()
        return True

    with started(made(repository, busy=busy, quiet_s=60.0)) as benchmarks:
        for _ in range(3):
            assert asked.acquire(timeout=30)
        assert not any(map(benchmarks.of, repository.models))


def test_one_model_is_measured_at_a_time(repository: ModelRepository) -> None:
    benchmarks = made(repository)
    model = repository.find("colours")
    with gated(model) as session:
        first = threading.Thread(target=benchmarks.measure_now, args=(model,))
        first.start()
        session.wait_for_runs(1)
        with pytest.raises(BenchmarkRunning):
            benchmarks.measure_now(repository.find("small"))
        session.gate.set()
        first.join(30)
    assert benchmarks.of(model)


def test_figures_outlive_the_process_for_the_same_file_and_host(
    repository: ModelRepository, tmp_path: Path
) -> None:
    model = repository.find("colours")
    figures = made(repository, folder=tmp_path).measure_now(model)
    assert made(repository, folder=tmp_path).of(model) == figures
    other = replace(describe_host(), cpu="another")
    assert made(repository, other, folder=tmp_path).of(model) is None


@pytest.mark.parametrize("text", ["", "[]", '{"a": {"b": 1}}', "\x00"])
def test_a_damaged_file_is_as_none(repository: ModelRepository, tmp_path: Path, text: str) -> None:
    (tmp_path / "benchmarks.json").write_text(text)
    benchmarks = made(repository, folder=tmp_path)
    model = repository.find("colours")
    assert benchmarks.of(model) is None
    assert benchmarks.measure_now(model) == made(repository, folder=tmp_path).of(model)


def test_a_folder_that_cannot_be_written_costs_only_the_memory_of_it(
    repository: ModelRepository, tmp_path: Path
) -> None:
    benchmarks = made(repository, folder=tmp_path / "missing")
    model = repository.find("colours")
    assert benchmarks.measure_now(model) == benchmarks.of(model)


def test_an_int8_model_slower_than_its_parent_is_told(
    repository: ModelRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    benchmarks = made(repository)
    speeds = {"colours": 1.0, "small": 2.0}
    monkeypatch.setattr(
        benchmarks, "of", lambda m: Benchmark(speeds[m.name], 1.0, 1.0, None, 1.0, 1)
    )
    small = repository.find("small")
    assert "slower here (2.00 ms) than colours (1.00 ms)" in str(
        benchmarks.slower_than_parent(small)
    )
    speeds["small"] = 0.5
    assert benchmarks.slower_than_parent(small) is None
    assert benchmarks.slower_than_parent(repository.find("colours")) is None
