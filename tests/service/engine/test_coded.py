"""Symbols to values: steps, codebooks, and the trellis against its definition as states."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.engine.coded import (
    MOST_CONTEXTS,
    AxisSums,
    CodedTensor,
    axes_of,
    odd_grid,
    step_size,
)

# ITU-T H.266, dependent quantisation: the next state by the symbol's parity; states 2 and 3 mean
# the grid of odd multiples.
NEXT = ((0, 2), (2, 0), (1, 3), (3, 1))
NOTHING = np.zeros(0, np.int8)


def sums(base: int = 0, rows: int = 1, columns: int = 1, places: int = 1) -> AxisSums:
    return AxisSums(base, *(np.zeros(n, np.int8) for n in (rows, columns, places)))


@given(symbols=st.lists(st.integers(-9, 9), min_size=1, max_size=40))
def test_the_grid_of_a_symbol_is_that_of_the_states(symbols: list[int]) -> None:
    state, expected = 0, []
    for symbol in symbols:
        expected.append(state >> 1)
        state = NEXT[state][symbol & 1]
    assert odd_grid(np.array([symbols], np.int32))[0].tolist() == expected


def test_the_trellis_starts_anew_with_each_row() -> None:
    symbols = np.array([1, 1, 1, 1], np.int16)
    tensor = CodedTensor((2, 2), sums(rows=2, columns=2), step=0, trellis=True)
    assert tensor.values(symbols).tolist() == [[2, 1], [2, 1]]


@pytest.mark.parametrize(
    ("exponent", "size"), [(0, 1), (8, 2), (-8, 0.5), (4, 2**0.5), (-1, 2**-0.125)]
)
def test_a_step_is_a_power_of_the_eighth_root_of_two(exponent: int, size: float) -> None:
    assert step_size(exponent) == np.float32(size)


def test_a_symbol_outside_the_codebook_counts_as_the_nearest() -> None:
    book = np.array([-1, 0, 5], np.float32)
    tensor = CodedTensor((4,), sums(rows=4), codebook=book, lowest=-1)
    assert tensor.values(np.array([-32768, -1, 1, 32767], np.int16)).tolist() == [-1, -1, 5, 5]


def test_contexts_add_up_over_the_axes_and_stay_in_range() -> None:
    rows, columns = np.array([0, 100, -100], np.int8), np.array([1, 2], np.int8)
    tensor = CodedTensor((3, 2), AxisSums(10, rows, columns, np.zeros(1, np.int8)), step=0)
    assert tensor.context_of_each().tolist() == [11, 12, MOST_CONTEXTS - 1, MOST_CONTEXTS - 1, 0, 0]


@pytest.mark.parametrize(
    ("shape", "axes"), [((5,), (5, 1, 1)), ((5, 4), (5, 4, 1)), ((5, 4, 3, 2), (5, 4, 6))]
)
def test_every_shape_has_three_axes(shape: tuple[int, ...], axes: tuple[int, int, int]) -> None:
    assert axes_of(shape) == axes
