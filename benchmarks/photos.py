"""Photos to measure with: distinct JPEGs cut from public-domain and CC0 pictures.

The pictures are small, so a view of one is enlarged and would be smoother than a camera's photo.
Seeded grain brings the size of the files, and so the cost of decoding them, to what a camera
writes: about 80 kB at 640x480.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from export_tools.photos import calibration_photos

# width and height, px: 0.1 to 12 megapixels
SIZES = (
    (368, 276), (640, 480), (1152, 864), (1632, 1224), (2304, 1728), (3264, 2448), (4000, 3000),
)  # fmt: skip

_PICTURES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
_SEED = 20
_QUALITY = 90
_GRAIN = 3.5  # standard deviation, grey levels
_TILE = 512  # the grain repeats after so many pixels


def make_photos(count: int = 50, size: tuple[int, int] = (640, 480)) -> list[bytes]:
    """Return `count` different JPEG files of `size` (width, height in px), always the same ones."""
    pictures = _pictures()
    random = np.random.default_rng(_SEED)
    return [_view(pictures[i % len(pictures)], size, random) for i in range(count)]


def make_large_photos(count: int = 4) -> list[bytes]:
    """Return `count` different 12-megapixel JPEG files."""
    return make_photos(count, SIZES[-1])


def write_photos(photos: Sequence[bytes], folder: Path) -> None:
    """Write the files 0.jpg, 1.jpg and so on into `folder`."""
    for number, photo in enumerate(photos):
        (folder / f"{number}.jpg").write_bytes(photo)


def _pictures() -> list[Image.Image]:
    pictures = []
    for path in calibration_photos():
        if path.name in _PICTURES:
            with Image.open(path) as file:
                pictures.append(file.convert("RGB"))
    return pictures


def _view(picture: Image.Image, size: tuple[int, int], random: np.random.Generator) -> bytes:
    """Cut a random box of the wanted shape, enlarge it, add grain, encode."""
    width, height = picture.size
    scale = random.uniform(0.6, 1.0)
    across = min(width, height * size[0] / size[1]) * scale
    down = across * size[1] / size[0]
    left, upper = random.uniform(0, width - across), random.uniform(0, height - down)
    box = (left, upper, left + across, upper + down)
    return grainy_jpeg(picture.resize(size, Image.Resampling.BICUBIC, box=box), random)


def grainy_jpeg(image: Image.Image, random: np.random.Generator) -> bytes:
    """Add a camera's grain to an enlarged RGB image and encode it."""
    tile = random.normal(0.0, _GRAIN, (_TILE, _TILE)).round().astype(np.int16)
    repeats = (-(-image.height // _TILE), -(-image.width // _TILE))
    grain = np.tile(tile, repeats)[: image.height, : image.width, None]
    pixels = np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
