"""Pruning, weight sharing, compensation and the trellis: each does what it is named for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export_tools.compensate import compensated, factor
from export_tools.errors import ExportError
from export_tools.pack.allocate import find_steps, importance, sizes_by_rms
from export_tools.pack.contexts import coded_bits, find_contexts
from export_tools.pack.kmeans import centroids
from export_tools.pack.plan import PackPlan
from export_tools.pack.prune import prune_smallest
from export_tools.pack.rans import share_slots
from export_tools.pack.rounding import round_bias, round_weight
from export_tools.pack.statistics import Statistics
from export_tools.pack.trellis import on_trellis
from service.engine.coded import CodedTensor, multiples

RANDOM = np.random.default_rng(8)
INPUTS = RANDOM.normal(size=(600, 24)) @ RANDOM.normal(size=(24, 24))
MOMENTS = INPUTS.T @ INPUTS / 600
STATISTICS = Statistics(MOMENTS[None], np.eye(16))
WEIGHT = RANDOM.normal(size=(16, 24)).astype(np.float32)
BIAS = RANDOM.normal(size=16).astype(np.float32)
STEP = 0.5


def error(weight: np.ndarray) -> float:
    """Return the layer's mean squared error."""
    return float(np.square(INPUTS @ (weight - WEIGHT).T).sum(1).mean())


def bits(symbols: np.ndarray) -> float:
    flat = symbols.ravel().astype(np.int16)
    return coded_bits(np.zeros(len(flat), np.uint8), flat) / len(flat)


def nearest(wanted: np.ndarray, _: int) -> tuple[np.ndarray, np.ndarray]:
    symbols = np.round(wanted / STEP)
    return symbols.astype(np.int16), symbols * STEP


def test_compensation_costs_less_and_the_trellis_least_for_the_same_bits() -> None:
    plain = np.round(WEIGHT / STEP)
    upper = factor(MOMENTS, 0.01)
    made_up, _ = compensated(WEIGHT.astype(float), upper, nearest)
    trellis = on_trellis(WEIGHT.astype(float), upper, STEP / 2)
    values = multiples(trellis.ravel(), WEIGHT.shape).reshape(WEIGHT.shape) * STEP / 2
    errors = [error(plain * STEP), error(made_up * STEP), error(values)]
    assert errors[1] < 0.7 * errors[0]
    assert errors[2] < 0.9 * errors[1] * 4 ** (bits(made_up) - bits(trellis))


def test_rows_whose_outputs_add_up_cancel_each_other_s_errors() -> None:
    weight = RANDOM.normal(size=(48, 24)).astype(np.float32)
    mixed = RANDOM.normal(size=(4, 48))  # the next layer has four outputs
    statistics, cost = Statistics(MOMENTS[None], mixed.T @ mixed), []
    for damping in (None, 0.1):
        plan = PackPlan(3, levels="uniform", row_damping=damping)
        wrong = round_weight(weight, statistics, -8, plan).values() - weight
        cost.append(float(np.square(INPUTS @ wrong.T @ mixed.T).sum(1).mean()))
    assert cost[1] < 0.5 * cost[0]


def test_a_bit_s_price_makes_symbols_cheaper() -> None:
    taken = [
        bits(round_weight(WEIGHT, STATISTICS, -4, PackPlan(3, bit_price=price)).symbols)
        for price in (0.0, 0.5)
    ]
    assert taken[1] < taken[0]


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("levels", ["kmeans", "uniform"])
def test_what_is_pruned_stays_zero(share: float, levels: str) -> None:
    plan = PackPlan(3, levels=levels, prune=share)  # type: ignore[arg-type]
    values = round_weight(WEIGHT, STATISTICS, -16, plan).values()
    smallest = np.argsort(np.abs(WEIGHT).ravel())[: int(WEIGHT.size * share)]
    assert (values.ravel()[smallest] == 0).all()
    assert (prune_smallest(WEIGHT, share) == 0).sum() == len(smallest)


def test_each_group_is_rounded_with_its_own_inputs() -> None:
    plan, other = PackPlan(3, bit_price=0), np.stack([MOMENTS, np.eye(24)])
    one_group, two_groups = (
        round_weight(WEIGHT, Statistics(inputs, np.eye(16)), -8, plan).values()
        for inputs in (MOMENTS[None], other)
    )
    assert np.array_equal(two_groups[:8], one_group[:8])
    assert not np.array_equal(two_groups[8:], one_group[8:])


def test_centroids_are_means_of_what_is_nearest_to_them() -> None:
    book = centroids(WEIGHT, 4)
    near = np.abs(WEIGHT.ravel()[:, None] - book).argmin(1)
    means = [WEIGHT.ravel()[near == i].mean() for i in range(4)]
    assert np.allclose(book, means, atol=1e-5)
    assert 0.0 in centroids(prune_smallest(WEIGHT, 0.5), 8)


@given(count=st.integers(2, 40), values=st.lists(st.floats(-9, 9, width=32), min_size=1))
def test_centroids_lie_within_the_weights(count: int, values: list[float]) -> None:
    weights = np.array(values, np.float32)
    book = centroids(weights, count)
    assert 1 <= len(book) <= count
    assert (np.diff(book) > 0).all()
    assert book.min() >= weights.min() - 1e-6
    assert book.max() <= weights.max() + 1e-6


@pytest.mark.parametrize("wanted", [1.0, 3.0, 6.0])
def test_steps_give_the_bits_that_were_asked_for(wanted: float) -> None:
    weights = {
        n: RANDOM.normal(size=(32, 64)).astype(np.float32) * s for n, s in (("a", 1), ("b", 9))
    }
    steps = find_steps(weights, sizes_by_rms(weights), wanted)
    taken = 0.0
    for name, values in weights.items():
        symbols = np.round(values / 2 ** (steps[name] / 8)).astype(np.int16).ravel()
        tensor = CodedTensor(values.shape, find_contexts(symbols, values.shape), step=0)
        taken += coded_bits(tensor.context_of_each(), symbols) / symbols.size / 2
    assert taken == pytest.approx(wanted, abs=0.15)
    assert steps["b"] - steps["a"] == pytest.approx(8 * np.log2(9), abs=1)


def test_a_layer_matters_by_its_inputs_and_its_outputs() -> None:
    plain = importance(STATISTICS, 0.01)
    assert importance(Statistics(MOMENTS[None] * 4, np.eye(16)), 0.01) == pytest.approx(4 * plain)
    assert importance(Statistics(MOMENTS[None], np.eye(16) * 3), 0.01) == pytest.approx(3 * plain)


def test_a_bias_loses_little() -> None:
    found = round_bias(BIAS).values()
    assert np.abs(found - BIAS).max() < 0.01


def test_too_many_values_are_told() -> None:
    with pytest.raises(ExportError, match="fewer bits"):
        share_slots(np.ones(5000, np.int64))
