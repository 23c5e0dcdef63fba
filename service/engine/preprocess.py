"""A decoded image to the graph's input: resize and centre crop in one pass, as uint8 planes.

Resizing the shorter side to R and cropping the centre is the same as resizing the matching box
of the source straight to the crop. The box is computed from the *rounded* intermediate size:
from the exact one it shifts by up to half a pixel, which flips top-1 on large photos. So it would
from the size of a JPEG that was decoded at a smaller scale: the file's own size counts.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.engine.decode import DecodedImage
from service.engine.manifest import InputPolicy

_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
}

# EXIF orientation -> what turns the stored pixels upright (TIFF 6.0, tag 274).
_TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

Box = tuple[float, float, float, float]


def crop_box(width: int, height: int, policy: InputPolicy) -> Box:
    """Return the box (left, upper, right, lower) of the upright source that the crop shows, px."""
    shorter = min(width, height)
    resized_width = max(round(width * policy.resize_shorter / shorter), policy.width)
    resized_height = max(round(height * policy.resize_shorter / shorter), policy.height)
    left = round((resized_width - policy.width) / 2)
    upper = round((resized_height - policy.height) / 2)
    across, down = width / resized_width, height / resized_height
    return (
        left * across,
        upper * down,
        min((left + policy.width) * across, width),
        min((upper + policy.height) * down, height),
    )


def _stored_box(box: Box, size: tuple[int, int], orientation: int) -> Box:
    """Map a box of the upright image to the stored, unturned pixels of `size`."""
    left, upper, right, lower = box
    width, height = size
    if orientation >= 5:
        left, upper, right, lower = upper, left, lower, right
    if orientation in (2, 3, 7, 8):
        left, right = width - right, width - left
    if orientation in (3, 4, 6, 7):
        upper, lower = height - lower, height - upper
    return (max(left, 0.0), max(upper, 0.0), min(right, width), min(lower, height))


def preprocess(image: DecodedImage, policy: InputPolicy, out: NDArray[np.uint8]) -> None:
    """Resize, crop and turn `image` into `out`, RGB planes of shape [3, height, width]."""
    turned = image.orientation >= 5
    size = (policy.height, policy.width) if turned else (policy.width, policy.height)
    box = _stored_box(crop_box(*image.upright_size, policy), image.size, image.orientation)
    (left, upper, right, lower), times = box, image.reduction
    box = (left / times, upper / times, right / times, lower / times)
    crop = image.pixels.resize(size, _FILTERS[policy.interpolation], box=box)
    if image.orientation in _TURN:
        crop = crop.transpose(_TURN[image.orientation])
    values = np.asarray(crop)
    # grey is copied to the three planes by broadcasting
    np.copyto(out, values if values.ndim == 2 else values.transpose(2, 0, 1))
