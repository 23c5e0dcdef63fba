"""Preprocessing as a reader of the papers would write it: the yardstick of our shortcuts.

Decode everything, turn by EXIF, convert to RGB, resize the shorter side, crop the centre. No
draft decoding, no box. Needs Pillow and numpy alone: the rivals run it in their environments.
"""

import io
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

Filter = Literal["bilinear", "hamming", "bicubic"]

_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
}


@dataclass(frozen=True, slots=True)
class Policy:
    """Sizes in px."""

    width: int = 224
    height: int = 224
    resize_shorter: int = 256
    interpolation: Filter = "bilinear"


def decode(photo: bytes) -> Image.Image:
    """Decode a photo to upright RGB."""
    image = Image.open(io.BytesIO(photo))
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    return image if image.mode == "RGB" else image.convert("RGB")


def resize_and_crop(image: Image.Image, policy: Policy) -> Image.Image:
    """Resize the shorter side, then cut out the centre."""
    width, height, left, upper = _intermediate(image.size, policy)
    resized = image.resize((width, height), _FILTERS[policy.interpolation])
    return resized.crop((left, upper, left + policy.width, upper + policy.height))


def crop_while_resizing(image: Image.Image, policy: Policy) -> Image.Image:
    """Do the same in one pass over the pixels that the crop shows."""
    width, height, left, upper = _intermediate(image.size, policy)
    across, down = image.width / width, image.height / height
    box = (
        left * across,
        upper * down,
        min((left + policy.width) * across, image.width),
        min((upper + policy.height) * down, image.height),
    )
    size = (policy.width, policy.height)
    return image.resize(size, _FILTERS[policy.interpolation], box=box)


def to_planes(image: Image.Image) -> NDArray[np.uint8]:
    """Return RGB planes, uint8 [3, height, width]."""
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


def plain_planes(photo: bytes, policy: Policy) -> NDArray[np.uint8]:
    """Return the planes of a photo the plain way; uint8 [3, height, width]."""
    return to_planes(resize_and_crop(decode(photo), policy))


def _intermediate(size: tuple[int, int], policy: Policy) -> tuple[int, int, int, int]:
    """Return width and height after the resize, left and upper edge of the crop, px."""
    shorter = min(size)
    width = max(round(size[0] * policy.resize_shorter / shorter), policy.width)
    height = max(round(size[1] * policy.resize_shorter / shorter), policy.height)
    return width, height, round((width - policy.width) / 2), round((height - policy.height) / 2)
