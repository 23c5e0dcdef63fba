"""Round a layer's weights on a trellis, column by column.

`on_trellis` searches the trellis of `service.engine.coded` and keeps the best path into each of its
four states, the weights still to come adjusted for each (`export_tools.compensate`), and charges a
path for its symbols' bits.

Source: Marcellin and Fischer, 1990 (the trellis).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export_tools.compensate import Floats

LARGEST = (1 << 12) - 1  # a symbol's largest size: far beyond what weights need
_STATES = 4
_BLOCK = 32  # columns between which the rest of a row waits for its corrections
# The state after a symbol: bit 1 says which grid comes next, bit 0 which grid this one was on.
_PREDECESSORS = (((0, 0), (1, 1)), ((2, 0), (3, 1)), ((0, 1), (1, 0)), ((2, 1), (3, 0)))


@dataclass(frozen=True, slots=True)
class BitPrice:
    """What bits cost: `table` float64 [contexts, 2 * reach + 1] bits of symbols -reach to reach.

    `contexts` is [rows, columns]; `price` is in squared steps of a weight of usual importance.
    """

    table: Floats
    contexts: NDArray[np.uint8]
    price: float

    def of(self, symbols: NDArray[np.int16], column: int) -> Floats:
        """Return what symbols [rows, states, parities] of a column cost."""
        reach = self.table.shape[1] // 2
        index = np.clip(symbols, -reach, reach).astype(np.intp) + reach
        rows = self.contexts[:, column].astype(np.intp)[:, None, None]
        cost: Floats = self.price * self.table[rows, index]
        return cost


def on_trellis(
    weights: Floats, upper: Floats, step: float, price: BitPrice | None = None
) -> NDArray[np.int16]:
    """Round weights [rows, columns] to symbols of a trellis of one step."""
    rows, columns = weights.shape
    left = weights[:, None].repeat(_STATES, 1) / step
    cost = np.full((rows, _STATES), np.inf)
    cost[:, 0] = 0.0
    paths = _Paths(
        np.empty((columns, rows, _STATES), np.int16), np.empty((columns, rows, _STATES), np.int8)
    )
    at = np.arange(rows)[:, None]
    for start in range(0, columns, _BLOCK):
        block = slice(start, min(start + _BLOCK, columns))
        errors, origin, cost = _block(left[:, :, block], block, cost, upper, price, paths)
        tail = left[:, :, block.stop :][at, origin]
        left[:, :, block.stop :] = tail - errors @ upper[block, block.stop :]
    return paths.trace_back(cost.argmin(axis=1))


@dataclass(frozen=True, slots=True)
class _Paths:
    """The best way into each state: its last symbol and state before, [columns, rows, states]."""

    symbols: NDArray[np.int16]
    before: NDArray[np.int8]

    def trace_back(self, state: NDArray[np.intp]) -> NDArray[np.int16]:
        columns, rows, _ = self.symbols.shape
        symbols, at = np.empty((rows, columns), np.int16), np.arange(rows)
        for column in reversed(range(columns)):
            symbols[:, column] = self.symbols[column, at, state]
            state = self.before[column, at, state].astype(np.intp)
        return symbols


def _block(
    left: Floats,
    columns: slice,
    cost: Floats,
    upper: Floats,
    price: BitPrice | None,
    paths: _Paths,
) -> tuple[Floats, NDArray[np.intp], Floats]:
    """Search through some columns; those behind them are made up to once, for all of these.

    Args:
        left: what is left of the block's columns, [rows, states, columns].
        columns: which they are.
        cost: of the best way into each state so far, [rows, states].
        upper: see `factor`.
        price: of bits.
        paths: written to.

    Returns:
        The errors on each state's way, its state before the block, and its cost.
    """
    at = np.arange(len(left))[:, None]
    scale = float(np.mean(np.diag(upper) ** -2.0))
    errors, origin = (
        np.zeros_like(left),
        np.arange(_STATES).repeat(len(left)).reshape(_STATES, -1).T,
    )
    for index, column in enumerate(range(columns.start, columns.stop)):
        symbols, values = _candidates(left[:, :, index])
        paid = ((left[:, :, index, None] - values) / upper[column, column]) ** 2 / scale
        if price is not None:
            paid += price.of(symbols, column)
        cost, before, parity = _survivors(cost[:, :, None] + paid)
        paths.symbols[column], paths.before[column] = symbols[at, before, parity], before
        left, errors, origin = left[at, before], errors[at, before], origin[at, before]
        error = (left[:, :, index] - values[at, before, parity]) / upper[column, column]
        errors[:, :, index] = error
        left[:, :, index + 1 :] -= error[:, :, None] * upper[column, column + 1 : columns.stop]
    return errors, origin, cost


def _candidates(wanted: Floats) -> tuple[NDArray[np.int16], Floats]:
    """Return the nearest even and odd symbol in each state, and their values in steps.

    Args:
        wanted: [rows, states], in steps.

    Returns:
        Both [rows, states, 2].
    """
    odd_grid = np.array([0, 0, 1, 1])[:, None]
    parity = np.array([0, 1])
    size = np.abs(wanted)[:, :, None]
    symbol = np.round(((size + odd_grid) / 2 - parity) / 2) * 2 + parity
    symbol = np.clip(symbol, parity, LARGEST - 3 + parity)
    sign = np.where(wanted < 0, -1.0, 1.0)[:, :, None]
    values = np.where(symbol > 0, 2 * symbol - odd_grid, 0.0) * sign
    return (symbol * sign).astype(np.int16), values


def _survivors(total: Floats) -> tuple[Floats, NDArray[np.int8], NDArray[np.int8]]:
    """Return for each state the least cost into it, the state before and the symbol's parity."""
    rows = len(total)
    cost = np.empty((rows, _STATES))
    before, parity = np.empty((rows, _STATES), np.int8), np.empty((rows, _STATES), np.int8)
    for state, ways in enumerate(_PREDECESSORS):
        first, second = (total[:, origin, odd] for origin, odd in ways)
        take = np.where(first <= second, 0, 1)
        cost[:, state] = np.minimum(first, second)
        before[:, state] = np.array([way[0] for way in ways])[take]
        parity[:, state] = np.array([way[1] for way in ways])[take]
    return cost - cost.min(axis=1, keepdims=True), before, parity
