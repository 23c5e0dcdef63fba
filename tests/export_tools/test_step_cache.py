"""Finished steps are found by what they depend on; unfinished ones never."""

from pathlib import Path

import pytest

from export_tools.step_cache import Files, StepCache, content_hash

MADE: Files = {"model.onnx": b"graph", "steps.json": b"[]"}


class Maker:
    """Makes the files, and counts how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Files:
        self.calls += 1
        return MADE


def test_a_step_is_made_once(tmp_path: Path) -> None:
    make = Maker()
    assert StepCache(tmp_path / "new").files("quantize", {"a": 1}, make) == (MADE, False)
    assert StepCache(tmp_path / "new").files("quantize", {"a": 1}, make) == (MADE, True)
    assert make.calls == 1


@pytest.mark.parametrize(("step", "depends"), [("distil", {"a": 1}), ("quantize", {"a": 2})])
def test_another_step_or_dependence_is_made_anew(
    tmp_path: Path, step: str, depends: dict[str, int]
) -> None:
    make = Maker()
    StepCache(tmp_path).files("quantize", {"a": 1}, make)
    assert StepCache(tmp_path).files(step, depends, make) == (MADE, False)
    assert make.calls == 2


def test_a_step_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> Files:
        raise MemoryError

    with pytest.raises(MemoryError):
        StepCache(tmp_path).files("quantize", 1, fail)
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        StepCache(tmp_path).files("quantize", 1, lambda: {"missing/x": b""})
    assert not list(tmp_path.iterdir())


def test_the_hash_does_not_depend_on_the_order_of_keys() -> None:
    assert content_hash({"a": 1, "b": 2}) == content_hash({"b": 2, "a": 1})
    assert content_hash({"a": 1}) != content_hash({"a": 2})
