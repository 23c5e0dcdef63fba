"""Weight sharing: the few values that the weights of a tensor are rounded to, by k-means.

Source: Han et al., 2016, https://arxiv.org/abs/1510.00149 (centroids spread evenly at first).
"""

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 60


def centroids(values: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Return at most `count` centroids of values, ascending; zero stays one if weights are zero."""
    weights = np.sort(values.ravel().astype(np.float64))
    pruned = bool((weights == 0).any())
    centres = np.linspace(weights[0], weights[-1], count)
    sums = np.concatenate([[0.0], np.cumsum(weights)])
    for _ in range(_ROUNDS):
        edges = np.searchsorted(weights, (centres[1:] + centres[:-1]) / 2)
        edges = np.concatenate([[0], edges, [len(weights)]])
        sizes = np.diff(edges)
        moved = np.where(sizes > 0, np.diff(sums[edges]) / np.maximum(sizes, 1), centres)
        if pruned:
            moved[np.abs(moved).argmin()] = 0.0
        if np.array_equal(moved, centres):
            break
        centres = moved
    return np.unique(centres.astype(np.float32))
