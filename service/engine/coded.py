"""A tensor as whole numbers: what each stands for, and which context each was coded in.

A symbol's value is a step times the symbol, or an entry of a codebook, or a step times what the
trellis makes of it. A step is a power of the eighth root of two: the same bits on every host. The
context is a sum over the axes: the archive says for each row, column and place of a kernel how
large its symbols are, and the coder knows it beforehand.

The trellis has two grids, the even multiples of the step and the odd ones with zero; the parities
of the symbols before it in its row say which of them a symbol means. So a row has the choice among
more values than its symbols have, and comes closer to the weights for the same bits: trellis-coded
quantisation (Marcellin and Fischer, 1990, https://doi.org/10.1109/26.46532), with the four states
that ITU-T H.266 calls dependent quantisation.
"""

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

STEPS_PER_OCTAVE = 8
LEAST_STEP, LARGEST_STEP = -60 * STEPS_PER_OCTAVE, 20 * STEPS_PER_OCTAVE
MOST_CONTEXTS = 64
_MANTISSAS = (2.0 ** (np.arange(STEPS_PER_OCTAVE) / STEPS_PER_OCTAVE)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class AxisSums:
    """A whole number for each element: `base` plus its row's, its column's and its place's.

    Rows are the first axis, columns the second, places all others; int8 each.
    """

    base: int
    rows: NDArray[np.int8]
    columns: NDArray[np.int8]
    places: NDArray[np.int8]

    def grid(self) -> NDArray[np.int16]:
        """Return int16 [rows, columns, places]."""
        rows, columns, places = (
            part.astype(np.int16) for part in (self.rows, self.columns, self.places)
        )
        total: NDArray[np.int16] = (
            rows[:, None, None] + columns[None, :, None] + places[None, None, :]
        )
        return total + np.int16(self.base)


@dataclass(frozen=True, slots=True)
class CodedTensor:
    """What is known of a tensor beside its symbols.

    Attributes:
        shape: of the tensor.
        contexts: of each symbol; what is outside 0 to MOST_CONTEXTS - 1 counts as the nearest.
        step: of all symbols, in eighths of an octave; None where there is a codebook.
        trellis: whether the symbols choose between the two grids.
        codebook: float32, the values of symbols `lowest`, `lowest` + 1 and so on.
        lowest: symbol of the codebook's first entry.
    """

    shape: tuple[int, ...]
    contexts: AxisSums
    step: int | None = None
    trellis: bool = False
    codebook: NDArray[np.float32] | None = None
    lowest: int = 0

    @property
    def size(self) -> int:
        """How many elements it has."""
        return prod(self.shape)

    def values(self, symbols: NDArray[np.int16]) -> NDArray[np.float32]:
        """Return the tensor, float32 of its shape, for its symbols int16 [size].

        A symbol that the codebook does not have counts as the nearest.
        """
        if self.codebook is not None:
            index = symbols.astype(np.int32) - self.lowest
            values = self.codebook[np.clip(index, 0, len(self.codebook) - 1)]
        else:
            assert self.step is not None
            whole = multiples(symbols, self.shape) if self.trellis else symbols
            values = np.multiply(whole, step_size(self.step), dtype=np.float32)
        return values.reshape(self.shape)

    def context_of_each(self) -> NDArray[np.uint8]:
        """Return the context of each symbol, uint8 [size]."""
        return np.clip(self.contexts.grid(), 0, MOST_CONTEXTS - 1).astype(np.uint8).ravel()


def multiples(symbols: NDArray[np.int16], shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Return the multiples of the step, int32 [size], that a trellis makes of symbols.

    A symbol k means 2 k on the grid of even multiples, and 2 k less one towards zero on the other.
    """
    rows = symbols.astype(np.int32).reshape(axes_of(shape)[0], -1)
    doubled = 2 * rows - np.sign(rows) * odd_grid(rows)
    return doubled.ravel().astype(np.int32)


def odd_grid(rows: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return 1 where a symbol of int32 [rows, length] is on the grid of odd multiples, else 0.

    That is so where of the symbols 1, 3, 5 and so on before it an odd number is odd.
    """
    result = np.zeros_like(rows)
    for first in (0, 1):
        odd = np.bitwise_xor.accumulate(rows[:, first::2] & 1, axis=1)
        after = result[:, first + 1 :: 2]
        after[...] = odd[:, : after.shape[1]]
    return result


def axes_of(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return how many rows, columns and places a tensor of a shape has."""
    return (
        shape[0] if shape else 1,
        shape[1] if len(shape) > 1 else 1,
        prod(shape[2:]),
    )


def step_size(exponent: int) -> np.float32:
    """Return the step of an exponent in eighths of an octave."""
    octaves, eighths = divmod(exponent, STEPS_PER_OCTAVE)
    return np.float32(np.ldexp(_MANTISSAS[eighths], octaves))
