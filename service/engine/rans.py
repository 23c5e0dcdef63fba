"""Decode symbols that an entropy coder packed: interleaved rANS, vectorised over its lanes.

Symbol i belongs to lane i % lanes, and each lane has a state of 32 bits that is refilled by words
of 16. Every symbol has a context, which picks the table of frequencies that it was coded with.
The libraries that could do this ship no wheels for 64-bit ARM on Linux, and a decoder that goes
symbol by symbol in Python takes seconds for what takes numpy some hundredths of one.

Source: Duda, 2013, https://arxiv.org/abs/1311.2540; Giesen, 2014, https://arxiv.org/abs/1402.3392
(interleaving).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.errors import DamagedArchive

TABLE_BITS = 12
TABLE_SIZE = 1 << TABLE_BITS  # what the frequencies of a table add up to
LOWEST_STATE = 1 << 16  # a state below it takes in a word; the encoder starts from it
_FREQUENCY_BITS = TABLE_BITS + 1


@dataclass(frozen=True, slots=True)
class Table:
    """How often symbols come in one context: `lowest`, `lowest` + 1 and so on, TABLE_SIZE in all.

    `frequencies` is uint16 [symbols], each 0 to TABLE_SIZE.
    """

    lowest: int
    frequencies: NDArray[np.uint16]


def decode(
    tables: list[Table],
    contexts: NDArray[np.uint8],
    states: NDArray[np.uint32],
    words: NDArray[np.uint16],
) -> NDArray[np.int16]:
    """Decode one symbol for each context.

    Args:
        tables: of each context.
        contexts: uint8 [symbols], each below the number of tables.
        states: uint32 [lanes], what the encoder ended with.
        words: uint16, in the order in which they are taken.

    Returns:
        int16 [symbols].

    Raises:
        DamagedArchive: a table does not add up, or the words are not all that is needed.
    """
    symbol_of, step_of = _slots(tables)
    places = contexts.astype(np.uint32) << TABLE_BITS
    state, lanes, taken = states.copy(), len(states), 0
    for start in range(0, len(places), lanes):
        place = places[start : start + lanes]
        live = state[: len(place)]
        place += live & (TABLE_SIZE - 1)
        step = step_of[place]
        live >>= TABLE_BITS
        live *= step & ((1 << _FREQUENCY_BITS) - 1)
        live += step >> _FREQUENCY_BITS
        low = np.flatnonzero(live < LOWEST_STATE)
        refill = words[taken : taken + len(low)]
        if len(refill) < len(low):
            raise DamagedArchive("The archive's coded weights are cut short.")
        live[low] = live[low] << 16 | refill
        taken += len(low)
    if taken != len(words) or (state != LOWEST_STATE).any():
        raise DamagedArchive("The archive's coded weights do not end where they should.")
    symbols: NDArray[np.int16] = symbol_of[places]
    return symbols


def _slots(tables: list[Table]) -> tuple[NDArray[np.int16], NDArray[np.uint32]]:
    """Return for each slot of each table its symbol, and frequency and offset in one number."""
    symbols, steps = [], []
    for table in tables:
        frequencies = table.frequencies.astype(np.uint32)
        if frequencies.sum(dtype=np.uint64) != TABLE_SIZE:
            raise DamagedArchive("A table of the archive does not add up.")
        first = np.cumsum(frequencies, dtype=np.uint32) - frequencies
        index = np.repeat(np.arange(len(frequencies)), frequencies)
        offset = np.arange(TABLE_SIZE, dtype=np.uint32) - first[index]
        symbols.append((index + table.lowest).astype(np.int16))
        steps.append(frequencies[index] | offset << _FREQUENCY_BITS)
    return np.concatenate(symbols), np.concatenate(steps)
