"""Code symbols for `service.engine.rans`, which says how; the encoder takes the last one first."""

import numpy as np
from numpy.typing import NDArray

from export_tools.errors import ExportError
from service.engine.rans import LOWEST_STATE, TABLE_BITS, TABLE_SIZE, Table


def count_table(symbols: NDArray[np.int16]) -> Table:
    """Return the table of the symbols of one context; each that occurs can be coded."""
    lowest = int(symbols.min())
    counts = np.bincount(symbols.astype(np.int64) - lowest)
    return Table(lowest, share_slots(counts))


def share_slots(counts: NDArray[np.int64]) -> NDArray[np.uint16]:
    """Share TABLE_SIZE slots among symbols by their counts; whoever occurs gets one at least.

    Raises:
        ExportError: more symbols occur than there are slots.
    """
    if np.count_nonzero(counts) > TABLE_SIZE:
        raise ExportError("The weights take too many different values to be coded: use fewer bits.")
    wanted = counts / counts.sum() * TABLE_SIZE
    shares = np.where(counts > 0, np.maximum(np.floor(wanted), 1), 0).astype(np.int64)
    while (left := TABLE_SIZE - int(shares.sum())) != 0:
        # The cost of a slot more or less, in bits; the cheapest ones change.
        can = (counts > 0) if left > 0 else (shares > 1)
        changed = np.where(can, shares + np.sign(left), 1) / np.where(can, shares, 1)
        gain = counts * np.log2(changed)
        order = np.argsort(np.where(can, -gain, np.inf), kind="stable")[: abs(left)]
        shares[order[can[order]]] += np.sign(left)
    return shares.astype(np.uint16)


def encode(
    tables: list[Table],
    contexts: NDArray[np.uint8],
    symbols: NDArray[np.int16],
    lanes: int,
) -> tuple[NDArray[np.uint32], NDArray[np.uint16]]:
    """Return the states uint32 [lanes] and words that `service.engine.rans.decode` takes."""
    frequency, first = _by_symbol(tables, contexts, symbols)
    state = np.full(lanes, LOWEST_STATE, np.uint64)
    rounds: list[NDArray[np.uint16]] = []
    for start in reversed(range(0, len(symbols), lanes)):
        often, begin = frequency[start : start + lanes], first[start : start + lanes]
        live = state[: len(often)]
        full = np.flatnonzero(live >= often << (32 - TABLE_BITS))
        rounds.append(live[full].astype(np.uint16))
        live[full] >>= np.uint64(16)
        live[:] = (live // often << np.uint64(TABLE_BITS)) + live % often + begin
    words = np.concatenate(rounds[::-1]) if rounds else np.empty(0, np.uint16)
    return state.astype(np.uint32), words


def _by_symbol(
    tables: list[Table], contexts: NDArray[np.uint8], symbols: NDArray[np.int16]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    frequency = np.zeros(len(symbols), np.uint64)
    first = np.zeros(len(symbols), np.uint64)
    for context, table in enumerate(tables):
        mine = np.flatnonzero(contexts == context)
        index = symbols[mine].astype(np.int64) - table.lowest
        shares = table.frequencies.astype(np.uint64)
        frequency[mine] = shares[index]
        first[mine] = (np.cumsum(shares) - shares)[index]
    return frequency, first
