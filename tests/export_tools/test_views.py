"""Views are seeded crops that reach a net as a request's photo does."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from export_tools.views import ViewPolicy, draw_views, photos_to_planes, views_to_planes
from service.engine.decode import DecodeLimits
from service.engine.manifest import InputPolicy
from service.engine.pipeline import image_to_planes

POLICY = InputPolicy(height=24, width=24, resize_shorter=28)
DRAWN = ViewPolicy(per_photo=6, seed=4, least_area=0.2, jitter=0.3)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    values = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_the_same_seed_draws_the_same_views(photo: Path) -> None:
    assert list(draw_views([photo], DRAWN)) == list(draw_views([photo], DRAWN))
    other = ViewPolicy(per_photo=6, seed=5, least_area=0.2, jitter=0.3)
    assert list(draw_views([photo], DRAWN)) != list(draw_views([photo], other))


def test_the_first_view_is_the_whole_photo_and_the_others_are_crops(photo: Path) -> None:
    images = [Image.open(io.BytesIO(view)) for view in draw_views([photo], DRAWN)]
    assert len(images) == 6
    assert images[0].size == (90, 60)
    with Image.open(photo) as original:
        assert images[0].tobytes() == original.tobytes()
    for image in images[1:]:
        width, height = image.size
        assert 0.15 * 90 * 60 < width * height < 90 * 60
        assert width <= 90
        assert height <= 60


def test_views_go_through_the_engine(photo: Path) -> None:
    view = next(draw_views([photo], DRAWN))
    expected = np.empty((3, 24, 24), np.uint8)
    image_to_planes(view, POLICY, DecodeLimits(), expected)
    (planes,) = views_to_planes([view], POLICY)
    np.testing.assert_array_equal(planes, expected)
    (from_file,) = photos_to_planes([photo], POLICY)
    np.testing.assert_array_equal(from_file, expected)
