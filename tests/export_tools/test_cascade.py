"""What a cascade is worth: counted exactly, and recommended only where it pays."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from export_tools.cascade import Answers, Cascade, best_threshold, try_cascade, weigh
from export_tools.cascade_table import advice
from export_tools.datasets import Item
from export_tools.draft import Draft
from export_tools.errors import DataError

MakeDraft = Callable[[str], Draft]
TRUTH = np.array([0, 1, 2, 3])


def answered(index: list[int], probability: list[float], ms: float) -> Answers:
    return Answers(np.array(index), np.array(probability), np.full(len(index), ms))


def together(small_ms: float, *, small: list[int] | None = None) -> Cascade:
    """A small model that is wrong on the image where it is least sure; a large one of 10 ms."""
    first = answered(small or [0, 1, 2, 0], [0.9, 0.8, 0.7, 0.3], small_ms)
    return weigh(first, answered([0, 1, 2, 3], [0.5] * 4, 10.0), TRUTH, labelled=True)


def test_an_image_that_goes_on_costs_both_models() -> None:
    found = together(2.0)
    assert (found.small.right, found.small.mean_ms) == (3, 2.0)
    assert (found.large.right, found.large.mean_ms) == (4, 10.0)
    outcomes = {t: found.by_threshold[t] for t in (0.0, 0.35, 0.8, 0.85, 1.0)}
    assert [o.by_small for o in outcomes.values()] == [4, 3, 2, 1, 0]
    assert [o.right for o in outcomes.values()] == [3, 4, 4, 4, 4]
    assert [o.mean_ms for o in outcomes.values()] == [2.0, 4.5, 7.0, 9.5, 12.0]


def test_the_threshold_of_least_latency_that_keeps_the_answers_is_recommended() -> None:
    found = together(2.0)
    assert best_threshold(found, 0.0) == 0.7  # of equal ones the highest, which is the safest
    text = advice(found, "s", "l", 0.0)
    assert text.startswith("FEATHERBOX_CASCADE_CONFIDENCE=0.7 keeps")
    assert "4.50 instead of 10.00 ms (55% less)" in text


def test_a_cascade_that_is_slower_than_the_large_model_does_not_pay() -> None:
    found = together(8.0)
    assert best_threshold(found, 0.0) is None
    text = advice(found, "s", "l", 0.0)
    assert text.startswith("The cascade does not pay")
    assert "it takes 10.50 ms, l alone 10.00 ms" in text


def test_a_few_per_cent_are_no_reason_for_two_models() -> None:
    assert best_threshold(together(7.4), 0.0) is None
    assert best_threshold(together(7.1), 0.0) is not None


def test_a_small_model_that_answers_as_well_needs_no_other() -> None:
    assert advice(together(2.0), "s", "l", 0.25).startswith("No cascade is needed: s alone")
    assert advice(together(2.0, small=[0, 1, 2, 3]), "s", "l", 0.0).startswith("No cascade")


def test_no_threshold_helps_against_answers_that_are_surely_wrong() -> None:
    first = answered([1, 1, 2, 3], [1.0] * 4, 2.0)
    found = weigh(first, answered([0, 1, 2, 3], [0.5] * 4, 10.0), TRUTH, labelled=True)
    assert best_threshold(found, 0.0) is None
    assert "no threshold keeps the answers of l within 0" in advice(found, "s", "l", 0.0)


@pytest.fixture
def photos(tmp_path: Path) -> list[Item]:
    random = np.random.default_rng(4)
    items = []
    for number in range(3):
        path = tmp_path / f"{number}.png"
        Image.fromarray(random.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(path)
        items.append(Item(path, None))
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    return [*items, Item(tmp_path / "broken.jpg", None)]


def test_without_classes_the_large_models_answers_are_right(
    photos: list[Item], make_draft: MakeDraft
) -> None:
    steps: list[int] = []
    found = try_cascade(make_draft("small"), make_draft("large"), photos, steps.append)
    assert (found.images, found.labelled, len(steps)) == (3, False, 4)
    assert found.large.right == found.small.right == 3
    assert [line.split(":")[0] for line in found.skipped] == ["broken.jpg"]
    assert found.by_threshold[0.0].mean_ms == found.small.mean_ms > 0


def test_labels_count_where_all_photos_have_them(photos: list[Item], make_draft: MakeDraft) -> None:
    model = make_draft("tiny")
    wrong = [dataclasses.replace(item, index=9) for item in photos]
    found = try_cascade(model, model, wrong)
    assert found.labelled
    assert found.large.right == 0


def test_models_of_other_labels_are_no_cascade(photos: list[Item], make_draft: MakeDraft) -> None:
    model = make_draft("tiny")
    other = dataclasses.replace(model, labels=("a", "b", "c", "d"))
    with pytest.raises(DataError, match="other labels"):
        try_cascade(model, other, photos)
    with pytest.raises(DataError, match="None of the images"):
        try_cascade(model, model, photos[3:])
