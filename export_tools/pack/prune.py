"""Magnitude pruning: the smallest weights of a layer become zero, which codes well."""

import numpy as np
from numpy.typing import NDArray


def prune_smallest(values: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """Return values with a share of them, the smallest, set to zero."""
    count = int(values.size * share)
    if not count:
        return values
    smallest = np.argsort(np.abs(values).ravel(), kind="stable")[:count]
    pruned = values.copy().ravel()
    pruned[smallest] = 0.0
    return pruned.reshape(values.shape)
