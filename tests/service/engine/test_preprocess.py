"""A decoded picture to the graph's input: crop, one-pass resizing, turning."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from service.engine.decode import DecodedImage, DecodeLimits, decode_image
from service.engine.manifest import InputPolicy
from service.engine.preprocess import crop_box, preprocess
from tests.support.images import encode, exif_of, scene

POLICY = InputPolicy(height=56, width=56, resize_shorter=64)
WIDE = InputPolicy(height=40, width=72, resize_shorter=80)
FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
}
ODD_SIZES = ((333, 217), (217, 333), (65, 64), (64, 64), (31, 57), (1001, 90), (199, 200))


def planes_of(
    image: Image.Image, policy: InputPolicy = POLICY, orientation: int = 1
) -> NDArray[np.int16]:
    out = np.empty((3, policy.height, policy.width), np.uint8)
    preprocess(DecodedImage(image, orientation, image.size), policy, out)
    return out.astype(np.int16)


def resize_then_crop(image: Image.Image, policy: InputPolicy) -> NDArray[np.int16]:
    """Do in two steps, with whole pixels between them, what the engine does in one."""
    scale = policy.resize_shorter / min(image.size)
    width, height = (round(side * scale) for side in image.size)
    resized = image.resize((width, height), FILTERS[policy.interpolation])
    left, upper = round((width - policy.width) / 2), round((height - policy.height) / 2)
    crop = resized.crop((left, upper, left + policy.width, upper + policy.height))
    return np.asarray(crop, np.int16).transpose(2, 0, 1)


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize("size", ODD_SIZES)
@pytest.mark.parametrize("policy", [POLICY, WIDE], ids=["square", "wide"])
def test_one_pass_equals_resize_and_crop_within_a_grey_level(
    size: tuple[int, int], interpolation: str, policy: InputPolicy
) -> None:
    policy = policy.model_copy(update={"interpolation": interpolation})
    image = scene(size)
    # the rounding between the two passes is carried on where the picture is enlarged
    allowed = 1 if min(size) > policy.resize_shorter else 2
    assert np.abs(planes_of(image, policy) - resize_then_crop(image, policy)).max() <= allowed


@pytest.mark.parametrize("policy", [POLICY, WIDE], ids=["square", "wide"])
@pytest.mark.parametrize("size", [(101, 77), (77, 101), (300, 80)])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_equals_the_plainly_turned_picture(
    orientation: int, size: tuple[int, int], policy: InputPolicy
) -> None:
    data = encode(scene(size), exif=exif_of(orientation))
    with Image.open(io.BytesIO(data)) as stored:
        turned = ImageOps.exif_transpose(stored)
    decoded = decode_image(data, DecodeLimits(), policy.resize_shorter)
    assert decoded.orientation == orientation
    out = np.empty((3, policy.height, policy.width), np.uint8)
    preprocess(decoded, policy, out)
    assert np.abs(out - planes_of(turned, policy)).max() <= 2


@pytest.mark.parametrize("policy", [POLICY, WIDE], ids=["square", "wide"])
@pytest.mark.parametrize("size", [(640, 480), (533, 401), (500, 333), (1001, 753), (700, 525)])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_a_jpeg_decoded_at_a_smaller_scale_shows_what_the_whole_one_does(
    orientation: int, size: tuple[int, int], policy: InputPolicy
) -> None:
    data = encode(scene(size), "JPEG", exif=exif_of(orientation), quality=95)
    with Image.open(io.BytesIO(data)) as stored:
        whole = ImageOps.exif_transpose(stored)
    decoded = decode_image(data, DecodeLimits(), policy.resize_shorter)
    assert decoded.pixels.width < size[0]
    assert decoded.size == size
    out = np.empty((3, policy.height, policy.width), np.uint8)
    preprocess(decoded, policy, out)
    assert np.abs(out - resize_then_crop(whole, policy)).max() <= 2


def test_the_eight_orientations_of_a_picture_without_symmetry_differ() -> None:
    # otherwise the test above could not fail
    shown = {planes_of(scene((90, 90)), orientation=turn).tobytes() for turn in range(1, 9)}
    assert len(shown) == 8


def test_the_planes_are_red_green_and_blue() -> None:
    planes = planes_of(Image.new("RGB", (100, 80), (10, 120, 230)))
    assert [int(plane.mean()) for plane in planes] == [10, 120, 230]
    assert planes.std(axis=(1, 2)).max() == 0


def test_grey_fills_three_equal_planes() -> None:
    image = scene((90, 70)).convert("L")
    grey, colour = planes_of(image), planes_of(image.convert("RGB"))
    assert (grey == colour).all()


def test_the_crop_shows_the_middle() -> None:
    image = Image.new("RGB", (300, 100), (255, 0, 0))
    image.paste((0, 0, 255), (100, 0, 200, 100))
    planes = planes_of(image)
    assert planes[0].max() == 0
    assert planes[2].min() == 255


def test_the_box_is_that_of_the_rounded_intermediate_size() -> None:
    policy = InputPolicy(height=224, width=224, resize_shorter=256)
    # 500 x 375 becomes 341 x 256 (341.33 exactly), whose middle 224 x 224 begins at 58, 16
    assert crop_box(500, 375, policy) == pytest.approx(
        (58 * 500 / 341, 16 * 375 / 256, 282 * 500 / 341, 240 * 375 / 256)
    )


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (3, 3), (1, 5000), (5000, 1)])
@pytest.mark.parametrize("orientation", [1, 6])
def test_the_smallest_and_slimmest_pictures_are_shown(
    size: tuple[int, int], orientation: int
) -> None:
    planes = planes_of(Image.new("RGB", size, (7, 8, 9)), orientation=orientation)
    assert [int(plane.min()) for plane in planes] == [7, 8, 9]


SIDES = st.integers(1, 20_000)
POLICIES = st.builds(
    lambda height, width, more: InputPolicy(
        height=height, width=width, resize_shorter=max(height, width) + more
    ),
    st.integers(1, 600),
    st.integers(1, 600),
    st.integers(0, 200),
)


@given(width=SIDES, height=SIDES, policy=POLICIES)
def test_the_box_lies_in_the_picture_and_is_not_empty(
    width: int, height: int, policy: InputPolicy
) -> None:
    left, upper, right, lower = crop_box(width, height, policy)
    assert 0 <= left < right <= width
    assert 0 <= upper < lower <= height


@given(width=SIDES, height=SIDES, policy=POLICIES)
def test_the_box_is_in_the_middle_within_a_pixel_of_the_resized_picture(
    width: int, height: int, policy: InputPolicy
) -> None:
    left, upper, right, lower = crop_box(width, height, policy)
    pixel = min(width, height) / policy.resize_shorter
    # rounding the longer side can stretch its pixels by up to a half
    assert abs((left + right) - width) <= 1.6 * pixel
    assert abs((upper + lower) - height) <= 1.6 * pixel


@given(width=SIDES, height=SIDES, policy=POLICIES)
def test_the_box_of_a_turned_picture_is_the_turned_box(
    width: int, height: int, policy: InputPolicy
) -> None:
    swapped = policy.model_copy(update={"height": policy.width, "width": policy.height})
    left, upper, right, lower = crop_box(width, height, policy)
    assert crop_box(height, width, swapped) == pytest.approx((upper, left, lower, right))
