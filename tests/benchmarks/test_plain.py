"""The yardstick of the shortcuts, and the engine beside it."""

import io

import numpy as np
from PIL import ExifTags, Image

from benchmarks.photos import make_photos
from benchmarks.plain import (
    Policy,
    crop_while_resizing,
    decode,
    plain_planes,
    resize_and_crop,
    to_planes,
)
from service.engine.decode import DecodeLimits
from service.engine.manifest import InputPolicy
from service.engine.pipeline import image_to_planes
from tests.support.images import scene


def test_one_pass_shows_what_two_steps_show() -> None:
    photo = decode(make_photos(1)[0])
    two_steps = to_planes(resize_and_crop(photo, Policy())).astype(int)
    one_pass = to_planes(crop_while_resizing(photo, Policy())).astype(int)
    assert np.abs(two_steps - one_pass).max() <= 1


def test_the_engine_is_within_a_grey_level_of_the_plain_path() -> None:
    planes = np.empty((3, 224, 224), np.uint8)
    policy = InputPolicy(height=224, width=224, resize_shorter=256, interpolation="bilinear")
    for photo in make_photos(4):
        image_to_planes(photo, policy, DecodeLimits(), planes)
        difference = planes.astype(int) - plain_planes(photo, Policy())
        assert np.abs(difference).max() <= 1


def test_the_plain_path_turns_by_exif() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    file = io.BytesIO()
    scene((64, 48)).save(file, "PNG", exif=exif)
    assert decode(file.getvalue()).size == (48, 64)
