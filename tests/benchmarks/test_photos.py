"""The photos to measure with."""

import io
import statistics

from PIL import Image

from benchmarks.photos import SIZES, make_photos


def test_photos_are_the_same_every_time() -> None:
    assert make_photos(6) == make_photos(6)


def test_more_photos_begin_with_the_same_ones() -> None:
    assert make_photos(5)[:3] == make_photos(3)


def test_the_photos_are_distinct_and_as_heavy_as_a_cameras() -> None:
    photos = make_photos()
    assert len(set(photos)) == 50
    assert 75_000 < statistics.mean(map(len, photos)) < 85_000
    for photo in photos:
        with Image.open(io.BytesIO(photo)) as image:
            assert (image.format, image.size) == ("JPEG", (640, 480))


def test_the_sizes_go_from_a_tenth_to_twelve_megapixels() -> None:
    megapixels = [width * height / 1e6 for width, height in SIZES]
    assert megapixels == sorted(megapixels)
    assert round(megapixels[0], 1) == 0.1
    assert megapixels[-1] == 12.0
