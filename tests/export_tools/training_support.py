"""Small things to train: two colours in folders, and digits by the handful."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from export_tools.training.images import Planes

COLOURS = {"blue": (20, 40, 220), "red": (220, 40, 20)}


def write_photos(folder: Path, each: int = 6, side: int = 40) -> Path:
    """Write noisy photos of two colours as FOLDER/CLASS/N.png."""
    random = np.random.default_rng(4)
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for number in range(each):
            noise = random.integers(-20, 20, (side, side, 3))
            pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


class Squares:
    """Images 16 px square whose upper or lower half is bright: two classes."""

    def __init__(self, count: int = 24, labelled: bool = True) -> None:
        random = np.random.default_rng(8)
        kinds = np.arange(count) % 2
        self.planes: Planes = random.integers(0, 90, (count, 3, 16, 16), np.uint8)
        self.planes[kinds == 0, :, :8] += 160
        self.planes[kinds == 1, :, 8:] += 160
        self.labels: NDArray[np.int64] | None = kinds.astype(np.int64) if labelled else None

    def __len__(self) -> int:
        return len(self.planes)

    def draw(self, indices: Sequence[int], epoch: int) -> Planes:
        shift = np.random.default_rng(epoch).integers(0, 3)
        return np.roll(self.plain(indices), int(shift), axis=3)

    def plain(self, indices: Sequence[int]) -> Planes:
        chosen: Planes = self.planes[np.asarray(indices)]
        return chosen
