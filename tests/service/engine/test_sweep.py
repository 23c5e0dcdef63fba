"""Layouts of threads and processes, run for real on a tiny model."""

from pathlib import Path

import pytest

from service.engine.session import SessionOptions
from service.engine.sweep import Layout, Outcome, gain_of, layouts, recommend, sweep
from service.errors import ArtifactError
from tests.support.artifacts import write_artifact


@pytest.mark.parametrize(("cpus", "count"), [(1, 2), (2, 4), (4, 5), (16, 5)])
def test_the_default_comes_first_and_no_layout_twice(cpus: int, count: int) -> None:
    tried = layouts(cpus)
    assert tried[0] == Layout(1, cpus, 1)
    assert len(tried) == len(set(tried)) == count
    assert all(part >= 1 for x in tried for part in (x.workers, x.worker_threads))


def test_every_layout_is_run(tmp_path: Path) -> None:
    turns: list[None] = []
    folder = write_artifact(tmp_path)
    outcomes = sweep(
        folder, SessionOptions(), 1, rounds=2, seconds=0.02, progress=lambda: turns.append(None)
    )
    assert [outcome.layout for outcome in outcomes] == layouts(1)
    assert len(turns) == 2 * len(outcomes)
    assert all(0 < o.lowest <= o.images_per_second <= o.highest for o in outcomes)


def test_a_damaged_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError):
        sweep(tmp_path, SessionOptions(), 1)


def test_the_default_stays_unless_another_is_clearly_faster() -> None:
    default = Outcome(Layout(1, 2, 1), 100.0, 90.0, 110.0)
    close = Outcome(Layout(1, 3, 1), 102.0, 95.0, 111.0, 1.02)
    fast = Outcome(Layout(2, 1, 1), 110.0, 100.0, 120.0, 1.1)
    assert recommend([default, close]) is default
    assert recommend([default, close, fast]) is fast


@pytest.mark.parametrize(
    ("rates", "gain"),
    [
        ([110.0, 220.0, 110.0, 220.0, 110.0], 1.1),
        ([110.0, 220.0, 90.0, 220.0, 110.0], 1.1),
        ([110.0, 180.0, 90.0, 400.0, 300.0], 0.9),
    ],
    ids=["in all rounds", "in four of five", "by the median alone"],
)
def test_what_counts_is_the_default_in_the_same_round(rates: list[float], gain: float) -> None:
    assert gain_of(rates, [100.0, 200.0, 100.0, 200.0, 100.0]) == pytest.approx(gain)
