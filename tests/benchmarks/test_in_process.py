"""Bare work in processes of its own: ready once, run as often as asked for."""

import os
from functools import partial
from pathlib import Path

import pytest

from benchmarks.engine import Classifier
from benchmarks.in_process import bare_work, in_process

PHOTOS = [b"a", b"bb", b"ccc"]


def make_length() -> Classifier:
    """Stand for a model: the length of a photo."""
    return len


def make_noting(folder: Path) -> Classifier:
    """Leave a file for each process that has loaded."""
    (folder / str(os.getpid())).touch()
    return len


def make_nothing() -> Classifier:
    """Fail as a model does that cannot be loaded."""
    raise SystemExit(1)


def test_the_same_processes_work_in_every_run(tmp_path: Path) -> None:
    with bare_work(partial(make_noting, tmp_path), PHOTOS, processes=2) as run:
        first, second = run(0.05), run(0.05)
    assert len(list(tmp_path.iterdir())) == 2
    for result in (first, second):
        assert result.per_s > 0
        assert result.p50_ms > 0


def test_a_process_that_cannot_load_is_told_at_once() -> None:
    with pytest.raises(EOFError), bare_work(make_nothing, PHOTOS):
        pass


def test_threads_share_a_process() -> None:
    assert in_process(make_length, PHOTOS, 0.05, threads=2).per_s > 0
