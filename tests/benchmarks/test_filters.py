"""How often each filter lets a net be right, counted."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.engine import INT8, manifest_of
from benchmarks.filters import FILTERS, accuracy, labelled_views, measure

REPOSITORY = Path(__file__).parents[2] / "model_repository"


def test_accuracy_counts_the_right_class_among_the_first() -> None:
    found = np.array([[0.7, 0.1, 0.1, 0.1, 0, 0, 0], [0.3, 0.25, 0.2, 0.15, 0.1, 0, 0]], np.float32)
    right_and_sixth = accuracy(found, np.array([0, 5]))
    assert (right_and_sixth["top1"], right_and_sixth["top5"]) == (0.5, 0.5)
    fifth = accuracy(found[1:], np.array([4]))
    assert (fifth["top1"], fifth["top5"]) == (0.0, 1.0)
    assert fifth["log_p"] == pytest.approx(np.log(0.1))


def test_the_manifests_own_filter_is_marked_and_equal_to_itself() -> None:
    rows = measure(REPOSITORY, INT8, labelled_views(1), rounds=1)
    assert [row["filter"] for row in rows] == list(FILTERS)
    own = [row for row in rows if row["manifest's"]]
    assert [row["filter"] for row in own] == [manifest_of(REPOSITORY, INT8).input.interpolation]
    assert [row["equal"] for row in own] == [1.0]
    assert {row["views"] for row in rows} == {20}
