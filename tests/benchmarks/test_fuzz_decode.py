"""The fuzzer tries the same files for the same seed, and notices what it is there to notice."""

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.reliability import fuzz_decode
from benchmarks.reliability.mutants import make_seeds, mutant, read_seeds
from tests.support.process import ROOT
from tests.support.warnings_as_served import warnings_as_served

PLANES = np.empty((3, 224, 224), np.uint8)


def run_fuzzer(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.reliability.fuzz_decode", *flags],
        cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip


def test_the_same_seed_gives_the_same_files() -> None:
    def some(seed: int) -> list[bytes]:
        numbers = random.Random(seed)
        return [mutant(seeds, numbers) for _ in range(50)]

    seeds = make_seeds()
    assert seeds == make_seeds()
    assert some(1) == some(1)
    assert some(1) != some(2)


def test_every_seed_is_a_picture_and_damage_has_several_outcomes() -> None:
    seeds, numbers = make_seeds(), random.Random(3)
    with warnings_as_served():
        assert {fuzz_decode.try_one(seed, PLANES) for seed in seeds} == {"200 decoded"}
        outcomes = {fuzz_decode.try_one(mutant(seeds, numbers), PLANES) for _ in range(300)}
    assert {"200 decoded", "400 damaged_image"} <= outcomes
    assert not [outcome for outcome in outcomes if outcome.startswith("BUG")]


def test_seeds_are_read_from_a_folder(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2").write_bytes(b"two")
    (tmp_path / "1").write_bytes(b"one")
    (tmp_path / "empty").write_bytes(b"")
    assert read_seeds(tmp_path) == [b"one", b"two"]


def test_an_error_that_is_not_ours_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(fuzz_decode, "image_to_planes", broken)
    outcome = fuzz_decode.try_one(b"x", PLANES)
    assert outcome.startswith("BUG: ZeroDivisionError at test_fuzz_decode.py:")


def test_a_run_without_findings_succeeds_and_says_what_it_tried(tmp_path: Path) -> None:
    ended = run_fuzzer(tmp_path, "--seconds", "0.5", "--seed", "5")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert " files with seed 5" in ended.stdout
    assert "400 damaged_image" in ended.stdout


def test_a_file_that_ends_the_process_is_kept(tmp_path: Path) -> None:
    # no decoder is as fast as that: the alarm ends the process as a crash would
    ended = run_fuzzer(tmp_path, "--seconds", "0.2", "--slowest", "0.000001")
    assert ended.returncode == 1
    assert "the decoding process ended with SIGALRM" in ended.stdout
    assert list((tmp_path / "build" / "fuzz").iterdir())
