"""What a net learns from: a set of images that yields batches, drawn anew in each epoch."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Planes = NDArray[np.uint8]


class Images(Protocol):
    """Images with or without classes.

    `labels` has the class of each image, and is None where nobody gave them.
    """

    labels: NDArray[np.int64] | None

    def __len__(self) -> int: ...

    def draw(self, indices: Sequence[int], epoch: int) -> Planes:
        """Return images for training, uint8 [len(indices), 3, height, width].

        The same indices in the same epoch give the same images, whatever was drawn before.
        """

    def plain(self, indices: Sequence[int]) -> Planes:
        """Return the images as a server would see them, uint8 [len(indices), 3, height, width]."""


def batches(count: int, size: int, seed: int, epoch: int) -> Iterator[NDArray[np.int64]]:
    """Yield the indices of an epoch's batches, each image once, in an order of its own.

    A last batch of a single image is left out: batch norm has no statistics of one.
    """
    order = np.random.default_rng([seed, epoch]).permutation(count)
    for start in range(0, count, size):
        batch = order[start : start + size]
        if len(batch) > 1 or count == 1:
            yield batch


def in_parts(count: int, size: int = 100) -> Iterator[range]:
    """Yield the indices 0 to count - 1 in parts of `size`."""
    for start in range(0, count, size):
        yield range(start, min(start + size, count))
