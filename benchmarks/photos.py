"""Photos to measure with: distinct 640x480 JPEGs cut from public-domain and CC0 pictures."""

import io
import random

import numpy as np
import skimage.data
from PIL import Image

_SIZE = (640, 480)
_SEED = 20
_QUALITY = 90


def make_photos(count: int = 50) -> list[bytes]:
    """Return `count` different JPEG files; the same ones every time."""
    sources = [
        Image.fromarray(np.ascontiguousarray(picture()[..., :3]))
        for picture in (skimage.data.astronaut, skimage.data.chelsea, skimage.data.coffee)
    ]
    rng = random.Random(_SEED)  # noqa: S311 - a fixed choice of crops, nothing secret
    return [_view(sources[i % len(sources)], rng) for i in range(count)]


def _view(source: Image.Image, rng: random.Random) -> bytes:
    width, height = source.size
    scale = rng.uniform(0.6, 1.0)
    across = min(width * scale, height * scale * 4 / 3)
    down = across * 3 / 4
    left, upper = rng.uniform(0, width - across), rng.uniform(0, height - down)
    box = (left, upper, left + across, upper + down)
    file = io.BytesIO()
    view = source.resize(_SIZE, Image.Resampling.BICUBIC, box=box)
    view.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
