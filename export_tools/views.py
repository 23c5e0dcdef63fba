"""Seeded crops of photos, so that a few photos make many different inputs.

A view is an image file's bytes (BMP: lossless, quick), and reaches a net through the engine's own
decoding and resizing like any request. The same seed gives the same views on every host with the
same Pillow and numpy.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from service.engine.decode import DecodeLimits
from service.engine.manifest import InputPolicy
from service.engine.pipeline import image_to_planes


@dataclass(frozen=True, slots=True)
class ViewPolicy:
    """How views are drawn: share of the photo's area, aspect of the crop, jitter of the light."""

    per_photo: int
    seed: int
    least_area: float = 0.3
    widest_aspect: float = 4 / 3
    jitter: float = 0.0


def draw_views(photos: Sequence[Path], policy: ViewPolicy) -> Iterator[bytes]:
    """Yield `policy.per_photo` views of each photo; the first of each is the whole photo."""
    random = np.random.default_rng(policy.seed)
    for path in photos:
        with Image.open(path) as file:
            photo = file.convert("RGB")
        yield _encode(photo)
        for _ in range(policy.per_photo - 1):
            yield _encode(_draw_view(photo, policy, random))


def views_to_planes(
    views: Iterable[bytes], input_policy: InputPolicy
) -> Iterator[NDArray[np.uint8]]:
    """Preprocess views as the server does; yield uint8 planes [3, height, width]."""
    limits = DecodeLimits()
    for view in views:
        planes = np.empty((3, input_policy.height, input_policy.width), np.uint8)
        image_to_planes(view, input_policy, limits, planes)
        yield planes


def photos_to_planes(
    photos: Iterable[Path], input_policy: InputPolicy
) -> Iterator[NDArray[np.uint8]]:
    """Preprocess files as the server does; yield uint8 planes [3, height, width]."""
    return views_to_planes((path.read_bytes() for path in photos), input_policy)


def _draw_view(photo: Image.Image, policy: ViewPolicy, random: np.random.Generator) -> Image.Image:
    width, height = photo.size
    area = width * height * random.uniform(policy.least_area, 1.0)
    limit = float(np.log(policy.widest_aspect))
    aspect = float(np.exp(random.uniform(-limit, limit)))
    across = min(width, round(float(np.sqrt(area * aspect))))
    down = min(height, round(float(np.sqrt(area / aspect))))
    left = int(random.integers(0, width - across + 1))
    upper = int(random.integers(0, height - down + 1))
    view = photo.crop((left, upper, left + across, upper + down))
    if random.random() < 0.5:
        view = view.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if policy.jitter:
        for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
            view = enhance(view).enhance(random.uniform(1 - policy.jitter, 1 + policy.jitter))
    return view


def _encode(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "BMP")
    return file.getvalue()
