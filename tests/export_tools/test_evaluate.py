"""Counting right answers and agreement."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from export_tools.datasets import Item
from export_tools.evaluate import (
    Accuracy,
    Agreement,
    Classifier,
    accuracy,
    agreement,
    evaluate_items,
    interval,
    run_all,
)
from service.engine.manifest import InputPolicy

POLICY = InputPolicy(height=8, width=8, resize_shorter=8)


class ByColour:
    """Answers with the strongest colour; `wrong` exchanges red and green."""

    providers = ("test",)

    def __init__(self, *, wrong: bool = False) -> None:
        self.wrong = wrong
        self.batches: list[int] = []

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.batches.append(len(images))
        means: NDArray[np.float32] = images.mean(axis=(2, 3), dtype=np.float32) + 1
        if self.wrong:
            means = means[:, [1, 0, 2]]
        shares: NDArray[np.float32] = means / means.sum(axis=1, keepdims=True)
        return shares


def paint(path: Path, colour: tuple[int, int, int]) -> Path:
    Image.new("RGB", (10, 8), colour).save(path)
    return path


def test_right_answers_are_counted_with_ties_to_the_lower_index() -> None:
    probabilities = np.array([[0.1, 0.8, 0.1], [0.4, 0.4, 0.2], [0.0, 0.1, 0.9]], np.float32)
    assert accuracy(probabilities, [1, 1, 0]) == Accuracy(images=3, top1=1, top5=3)
    many = np.linspace(1, 0, 8, dtype=np.float32)[np.newaxis]
    assert accuracy(many, [4]) == Accuracy(1, 0, 1)
    assert accuracy(many, [5]) == Accuracy(1, 0, 0)


def test_agreement_is_counted_apart_where_the_parent_is_sure() -> None:
    parent = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]], np.float32)
    child = np.array([[0.6, 0.4], [0.1, 0.9], [0.7, 0.3]], np.float32)
    assert agreement(parent, child) == Agreement(images=3, same=1, sure_images=2, sure_same=1)


def test_a_data_set_is_counted_in_batches(tmp_path: Path) -> None:
    items = [Item(paint(tmp_path / f"{i}.png", (200, 0, 0)), 0) for i in range(9)]
    items.append(Item(paint(tmp_path / "green.png", (0, 200, 0)), None))
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    items.append(Item(tmp_path / "broken.jpg", 1))
    model = ByColour()
    steps: list[int] = []
    result = evaluate_items(
        Classifier(model, POLICY), items, Classifier(ByColour(wrong=True), POLICY), steps.append
    )
    assert result.accuracy == Accuracy(images=9, top1=9, top5=9)
    assert result.agreement == Agreement(images=10, same=0, sure_images=10, sure_same=0)
    assert [line.split(":")[0] for line in result.skipped] == ["broken.jpg"]
    assert sum(steps) == len(items)
    assert model.batches == [8, 2]


def test_each_model_gets_its_own_input(tmp_path: Path) -> None:
    items = [Item(paint(tmp_path / "red.png", (200, 0, 0)), None)]
    other = InputPolicy(height=4, width=4, resize_shorter=6)

    class Small(ByColour):
        def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
            assert images.shape == (1, 3, 4, 4)
            return super().run(images)

    result = evaluate_items(Classifier(ByColour(), POLICY), items, Classifier(Small(), other))
    assert result.agreement.same == 1
    assert result.accuracy.images == 0


def test_images_are_run_in_batches() -> None:
    session = ByColour()
    probabilities = run_all(session, (np.full((3, 8, 8), i, np.uint8) for i in range(10)))
    assert probabilities.shape == (10, 3)
    assert session.batches == [8, 2]


def test_the_interval_of_a_share_narrows_with_the_images() -> None:
    low, high = interval(15, 20)
    assert low == pytest.approx(0.531, abs=1e-3)
    assert high == pytest.approx(0.888, abs=1e-3)
    assert interval(0, 0) == (0.0, 1.0)
    assert interval(1500, 2000)[0] > low
