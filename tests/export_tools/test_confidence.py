"""The expected calibration error, and the temperature that makes probabilities honest."""

import numpy as np
import pytest

from export_tools.confidence import (
    expected_calibration_error,
    fit_temperature,
    honesty,
    negative_log_likelihood,
    softmax,
)
from export_tools.errors import DataError


def test_the_error_is_the_mean_gap_of_the_bins() -> None:
    probabilities = np.array([0.95, 0.97, 0.5, 0.51])
    right = np.array([True, False, True, True])
    # the bin above 14/15: 0.96 and half of them right; the one above 7/15: 0.505 and all right
    assert expected_calibration_error(probabilities, right) == pytest.approx(
        (2 * 0.46 + 2 * 0.495) / 4
    )


def test_a_bin_holds_its_upper_edge() -> None:
    apart = np.array([0.2, 0.21])
    right = np.array([True, False])
    assert expected_calibration_error(apart, right) == pytest.approx((0.8 + 0.21) / 2)
    assert expected_calibration_error(np.array([0.0, 1.0]), np.array([False, True])) == 0.0


def test_no_answers_have_no_error() -> None:
    assert expected_calibration_error(np.array([]), np.array([], np.bool_)) == 0.0


def test_honest_answers_have_the_error_of_chance_which_falls_with_the_images() -> None:
    random = np.random.default_rng(3)
    errors = []
    for images in (20, 20_000):
        probabilities = random.uniform(0.3, 1.0, images)
        found = honesty(probabilities, random.random(images) < probabilities)
        assert found.images == images
        errors.append(found.chance)
    assert errors[0] > 0.1
    assert errors[1] < 0.01
    assert found.ece < 0.015
    assert honesty(probabilities, np.zeros(images, np.bool_)).ece == pytest.approx(
        probabilities.mean()
    )


def test_the_likelihood_is_that_of_the_labels() -> None:
    logits = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]))
    labels = np.array([0, 1])
    expected = -np.log([0.7, 0.1]).mean()
    assert negative_log_likelihood(logits, labels) == pytest.approx(expected)
    assert negative_log_likelihood(logits + 1000, labels) == pytest.approx(expected)
    assert negative_log_likelihood(logits, labels, 1e9) == pytest.approx(np.log(3))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_of_the_answers_is_found(temperature: float) -> None:
    random = np.random.default_rng(1)
    logits = random.normal(0, 3, (4000, 5))
    honest = softmax(logits, temperature)
    labels = (honest.cumsum(axis=1) < random.random((4000, 1))).sum(axis=1).astype(np.int64)
    found = fit_temperature(logits, labels)
    assert found == pytest.approx(temperature, rel=0.08)
    best = negative_log_likelihood(logits, labels, found)
    for other in (found * 0.99, found * 1.01):
        assert best < negative_log_likelihood(logits, labels, other)


@pytest.mark.parametrize("right", [True, False])
def test_answers_that_are_all_right_or_all_wrong_have_no_temperature(right: bool) -> None:
    logits = np.random.default_rng(2).normal(0, 3, (30, 4))
    labels = logits.argmax(axis=1) if right else logits.argmin(axis=1)
    with pytest.raises(DataError, match="Give more images"):
        fit_temperature(logits, labels)
