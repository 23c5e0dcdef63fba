"""A folder of photos to try training on: crops of scikit-image's, by class.

    python -m export_tools.sample_photos FOLDER [--each 60]

Each class is one photo, so this is easy: it shows that the commands work and how long they take,
not how well they learn. Crops for training come from a photo's left two thirds, those for the test
from its right third.
"""

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image, ImageEnhance

from export_tools.errors import DataError
from export_tools.installed import installed_files

CLASSES = {
    "brick": "brick.png",
    "cat": "chelsea.png",
    "coffee": "coffee.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "person": "astronaut.png",
}
_SEED, _SIDE = 3, 256
_TRAINING = 2 / 3


def write_sample(folder: Path, each: int = 60) -> int:
    """Write train/CLASS/*.jpg and val/CLASS/*.jpg, a quarter as many; return how many photos.

    Raises:
        DataError: scikit-image is not installed, or without one of the photos.
    """
    wanted = {f"skimage/data/{file}": name for name, file in CLASSES.items()}
    found = installed_files("scikit-image", wanted.__contains__)
    missing = sorted(set(wanted) - set(found))
    if missing:
        raise DataError(f"scikit-image is installed without {', '.join(missing)}.")
    random = np.random.default_rng(_SEED)
    written = 0
    for path, name in wanted.items():
        with Image.open(found[path]) as opened:
            photo = opened.convert("RGB")
        border = round(photo.width * _TRAINING)
        parts = {
            "train": (photo.crop((0, 0, border, photo.height)), each),
            "val": (photo.crop((border, 0, photo.width, photo.height)), max(1, each // 4)),
        }
        for part, (region, count) in parts.items():
            place = folder / part / name
            place.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                crop(region, random).save(place / f"{name}-{number:03}.jpg", quality=90)
                written += 1
    return written


def crop(photo: Image.Image, random: np.random.Generator) -> Image.Image:
    """Return a square of 50 to 100 % of the shorter side, turned and lit by chance."""
    side = round(min(photo.size) * random.uniform(0.5, 1.0))
    left = int(random.integers(0, photo.width - side + 1))
    upper = int(random.integers(0, photo.height - side + 1))
    view = photo.crop((left, upper, left + side, upper + side)).resize((_SIDE, _SIDE))
    view = view.rotate(random.uniform(-15, 15), Image.Resampling.BICUBIC)
    return ImageEnhance.Brightness(view).enhance(random.uniform(0.7, 1.3))


def main(
    folder: Annotated[Path, typer.Argument(help="Where to; it is made.")],
    each: Annotated[int, typer.Option(min=4, help="Photos of a class for training.")] = 60,
) -> None:
    """Write the photos."""
    try:
        typer.echo(f"wrote {write_sample(folder, each)} photos to {folder}")
    except DataError as error:
        typer.echo(str(error), err=True)
        sys.exit(1)


if __name__ == "__main__":
    typer.run(main)
