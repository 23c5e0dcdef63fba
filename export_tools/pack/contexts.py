"""Which context the coder uses for each symbol: how large symbols of its row and column are.

Pure numbers of the archive; see `service.engine.coded`. A context is a third of an octave wide.
"""

import numpy as np
from numpy.typing import NDArray

from export_tools.pack.rans import count_table
from service.engine.coded import MOST_CONTEXTS, AxisSums, axes_of
from service.engine.rans import TABLE_SIZE, Table

_WIDTH = 3  # contexts of an octave
_SOFTEN = 0.02  # added to mean sizes: rows of zeros are no smaller
_FIRST = 17  # the context of symbols of size 1: below it are 17, for sizes down to _SOFTEN


def find_contexts(symbols: NDArray[np.int16], shape: tuple[int, ...]) -> AxisSums:
    """Return contexts for symbols int16 [size] of a tensor; those of a bias share one."""
    sizes = np.abs(symbols.astype(np.float64)).reshape(axes_of(shape))
    middle = sizes.mean() + _SOFTEN

    def relative(axes: tuple[int, int]) -> NDArray[np.int8]:
        if len(shape) < 2:
            return np.zeros_like(sizes.mean(axes), np.int8)
        part = np.log2((sizes.mean(axes) + _SOFTEN) / middle)
        rounded: NDArray[np.int8] = np.round(_WIDTH * part).astype(np.int8)
        return rounded

    base = round(_WIDTH * float(np.log2(middle))) + _FIRST
    return AxisSums(base, relative((1, 2)), relative((0, 2)), relative((0, 1)))


def make_tables(contexts: NDArray[np.uint8], symbols: NDArray[np.int16]) -> list[Table]:
    """Return the table of each context up to the largest; unused ones hold the symbol 0 alone."""
    assert not len(contexts) or int(contexts.max()) < MOST_CONTEXTS
    tables = []
    for context in range(int(contexts.max(initial=0)) + 1):
        mine = symbols[contexts == context]
        empty = Table(0, np.array([TABLE_SIZE], np.uint16))
        tables.append(count_table(mine) if len(mine) else empty)
    return tables


def coded_bits(contexts: NDArray[np.uint8], symbols: NDArray[np.int16]) -> float:
    """Return the entropy of symbols within their contexts, bits in all."""
    bits = 0.0
    for context in np.unique(contexts):
        mine = symbols[contexts == context].astype(np.int64)
        counts = np.bincount(mine - mine.min())
        counts = counts[counts > 0]
        bits -= float((counts * np.log2(counts / counts.sum())).sum())
    return bits


def price_table(
    contexts: NDArray[np.uint8], symbols: NDArray[np.int16], reach: int
) -> NDArray[np.float64]:
    """Return bits of symbols -reach to reach in each context, float64 [MOST_CONTEXTS, ...].

    A symbol and its negative cost the same, and one that did not come costs as if it had once.
    """
    table = np.zeros((MOST_CONTEXTS, 2 * reach + 1))
    for context in np.unique(contexts):
        mine = np.clip(symbols[contexts == context], -reach, reach).astype(np.int64) + reach
        counts = np.bincount(mine.ravel(), minlength=2 * reach + 1).astype(np.float64)
        counts += counts[::-1]
        counts = np.maximum(counts, 0.5)
        table[context] = -np.log2(counts / counts.sum())
    return table
