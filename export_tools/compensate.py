"""Round a layer's weights column by column; what each costs, the next ones make up for.

Inputs of a layer go together: neighbouring places and related channels are bright at once. So an
error in one weight can be taken back by the weights that read similar values, if it is known how
the inputs vary. `make_up` does across rows what `compensated` does across columns: outputs that the
next layers add up can cancel each other's errors.

Sources: Frantar and Alistarh, 2022, https://arxiv.org/abs/2208.11580 and Frantar et al., 2022,
https://arxiv.org/abs/2210.17323 (the compensation); Tseng et al., 2025,
https://arxiv.org/abs/2505.22988 (across rows as well).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Nearest = Callable[[Floats, int], tuple[NDArray[np.int16], Floats]]

_BLOCK = 64  # columns between which the rest of a row waits for its corrections


def factor(moments: Floats, damping: float) -> Floats:
    """Return the upper triangular factor U of the inverse of the damped moments, U' U.

    A weight's error divided by U's diagonal is what it costs when later weights make up for it.
    """
    mean = float(np.diag(moments).mean())
    damped = moments + np.eye(len(moments)) * max(mean * damping, 1e-12)
    upper: Floats = np.linalg.cholesky(np.linalg.inv(damped)).T
    return upper


def compensated(
    weights: Floats, upper: Floats, nearest: Nearest
) -> tuple[NDArray[np.int16], Floats]:
    """Round weights [rows, columns] by `nearest`, which has a column's symbols and values."""
    left, rounded = weights.copy(), np.empty_like(weights)
    symbols = np.empty(weights.shape, np.int16)
    columns = weights.shape[1]
    for start in range(0, columns, _BLOCK):
        block = slice(start, min(start + _BLOCK, columns))
        errors = np.empty((len(weights), block.stop - start))
        for column in range(start, block.stop):
            symbols[:, column], values = nearest(left[:, column], column)
            rounded[:, column] = values
            error = (left[:, column] - values) / upper[column, column]
            errors[:, column - start] = error
            behind = slice(column + 1, block.stop)
            left[:, behind] -= error[:, None] * upper[column, behind]
        left[:, block.stop :] -= errors @ upper[block, block.stop :]
    return symbols, rounded


def make_up(left: Floats, rounded: Floats, part: slice, across: Floats) -> None:
    """Let the rows behind a part make up for what rounding it cost, as its columns did.

    Args:
        left: all rows, [rows, columns]; those behind the part are changed.
        rounded: what the part became.
        part: which rows.
        across: the factor of the outputs' moments.
    """
    for index, row in enumerate(range(part.start, part.stop)):
        error = (left[row] - rounded[index]) / across[row, row]
        left[row + 1 :] -= across[row, row + 1 :, None] * error
