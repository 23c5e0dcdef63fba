"""Many different images from few photos: mixed, pasted into each other, with other colours.

Rounding makes weights fit the images that it is calibrated with. Views of six photos have too few
combinations of features for that; of mixtures there is no end, and it is the features of photos
that they are made of. Sources: Zhang et al., 2018, https://arxiv.org/abs/1710.09412 (mixing); Yun
et al., 2019, https://arxiv.org/abs/1905.04899 (pasting).
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from export_tools.views import ViewPolicy

MIXED_VIEWS = ViewPolicy(per_photo=120, seed=3, least_area=0.03, widest_aspect=2.0, jitter=0.4)
MIXTURES, MIXTURE_SEED = 480, 5

Planes = Sequence[NDArray[np.uint8]]
_Image = NDArray[np.float64]


def draw_mixtures(planes: Planes, count: int, seed: int) -> Iterator[NDArray[np.uint8]]:
    """Yield images uint8 [3, height, width] made of `planes`; a third are only recoloured."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        image = _one(planes, random)
        kind = random.random()
        if 1 / 3 <= kind < 2 / 3:
            share = random.random()
            image = image * share + _one(planes, random) * (1 - share)
        elif kind >= 2 / 3:
            image = image.copy()
            for _ in range(int(random.integers(1, 4))):
                _paste(image, _one(planes, random), random)
        yield np.clip(np.round(_recolour(image, random)), 0, 255).astype(np.uint8)


def _one(planes: Planes, random: np.random.Generator) -> _Image:
    return planes[int(random.integers(len(planes)))].astype(np.float64)


def _paste(image: _Image, other: _Image, random: np.random.Generator) -> None:
    """Put a part of another image in its place, a quarter to four fifths as high and wide."""
    height, width = image.shape[1:]
    down, across = (int(size * random.uniform(0.25, 0.8)) for size in (height, width))
    top = int(random.integers(height - down + 1))
    left = int(random.integers(width - across + 1))
    part = (slice(None), slice(top, top + down), slice(left, left + across))
    image[part] = other[part]


def _recolour(image: _Image, random: np.random.Generator) -> _Image:
    if random.random() < 0.4:
        image = image[random.permutation(3)]
    if random.random() < 0.2:
        image = 255 - image
    contrast, brightness = random.uniform(0.6, 1.4), random.uniform(-40, 40)
    return (image - 128) * contrast + 128 + brightness
