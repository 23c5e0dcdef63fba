"""Image bytes to pixels: formats, modes, orientation."""

import struct
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmarks.reliability.files.hostile import gif_with_two_palettes
from service.engine import decode as decoding
from service.engine.decode import DecodedImage, DecodeLimits, decode_image
from tests.support.images import COLOURS, encode, exif_of, photo, plain, png_chunk, scene
from tests.support.warnings_as_served import warnings_as_served

FORMATS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("JPEG", {"quality": 95}),
    ("PNG", {}),
    ("WEBP", {"lossless": True}),
    ("GIF", {}),
    ("BMP", {}),
)


def decode(data: bytes | memoryview, limits: DecodeLimits | None = None) -> DecodedImage:
    return decode_image(data, limits or DecodeLimits(), shorter_side=256)


def pixels(data: bytes) -> NDArray[np.int16]:
    """Return the decoded pixels as signed numbers of shape [height, width, 3]."""
    return np.asarray(decode(data).pixels.convert("RGB"), np.int16)


@pytest.mark.parametrize(("image_format", "options"), FORMATS)
def test_every_accepted_format_gives_the_picture(
    image_format: str, options: dict[str, Any]
) -> None:
    original = plain("green", (37, 23))
    found = pixels(encode(original, image_format, **options))
    assert found.shape == (23, 37, 3)
    assert np.abs(found - np.asarray(original, np.int16)).max() <= 4


def test_a_view_of_a_larger_buffer_is_decoded() -> None:
    data = photo("blue")
    view = memoryview(b"before" + data + b"after")[6:-5]
    assert decode(view).pixels.size == (64, 48)


def test_transparent_pixels_become_white() -> None:
    image = Image.new("RGBA", (8, 8), (*COLOURS["red"], 0))
    assert (pixels(encode(image)) == 255).all()


def test_half_transparent_pixels_are_mixed_with_white() -> None:
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 128))
    assert np.abs(pixels(encode(image)) - np.array([255, 127, 127])).max() <= 1


def test_grey_with_alpha_is_laid_over_white() -> None:
    image = Image.new("LA", (8, 8), (0, 64))
    assert np.abs(pixels(encode(image)) - (255 - 64)).max() <= 1


def test_a_palette_gives_its_colours() -> None:
    image = plain("blue").quantize(4)
    assert image.mode == "P"
    assert np.abs(pixels(encode(image)) - np.array(COLOURS["blue"])).max() <= 2


def test_a_grey_frame_stays_grey_in_a_file_with_another_palette() -> None:
    assert set(pixels(gif_with_two_palettes()).ravel()) == {200}


@pytest.mark.parametrize("transparency", [0, b"\x00\xff"], ids=["one index", "a table"])
def test_transparent_palette_entries_become_white(transparency: int | bytes) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([200, 0, 0, 0, 200, 0])
    image.putdata([0, 1])
    found = pixels(encode(image, transparency=transparency))
    assert found[0].tolist() == [[255, 255, 255], [0, 200, 0]]


def test_a_transparent_colour_of_a_true_colour_png_becomes_white() -> None:
    image = Image.new("RGB", (2, 1), (10, 20, 30))
    image.putpixel((1, 0), (40, 50, 60))
    found = pixels(encode(image, transparency=(10, 20, 30)))
    assert found[0].tolist() == [[255, 255, 255], [40, 50, 60]]


def test_cmyk_becomes_rgb() -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    found = pixels(encode(image, "JPEG", quality=95))
    assert np.abs(found - np.array([255, 0, 0])).max() <= 6


def test_16_bit_grey_is_scaled_and_not_clipped() -> None:
    values = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)
    found = pixels(encode(Image.fromarray(values)))
    assert (found[..., 0] == np.arange(256).reshape(16, 16)).all()


def test_16_bit_colour_keeps_its_upper_byte() -> None:
    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    row = b"\x00" + struct.pack(">3H", 0x1200, 0x80FF, 0xFFFF)
    data = b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", header),
            png_chunk(b"IDAT", zlib.compress(row)),
            png_chunk(b"IEND", b""),
        )
    )
    assert pixels(data).tolist() == [[[0x12, 0x80, 0xFF]]]


def test_1_bit_is_black_and_white() -> None:
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    assert pixels(encode(image))[0].tolist() == [[0, 0, 0], [255, 255, 255]]


def test_grey_stays_one_plane_until_it_is_copied() -> None:
    assert decode(encode(scene().convert("L"), "JPEG")).pixels.mode == "L"


@pytest.mark.parametrize("image_format", ["GIF", "PNG", "WEBP"])
def test_an_animation_counts_as_its_first_frame(image_format: str) -> None:
    lossless = {"lossless": True} if image_format == "WEBP" else {}
    data = encode(
        plain("red"), image_format, save_all=True, append_images=[plain("blue")], **lossless
    )
    assert np.abs(pixels(data) - np.array(COLOURS["red"])).max() <= 2


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_read_and_not_applied(image_format: str, orientation: int) -> None:
    image = decode(photo("red", image_format, exif=exif_of(orientation)))
    assert image.orientation == orientation
    assert image.pixels.size == (64, 48)
    assert image.upright_size == ((48, 64) if orientation >= 5 else (64, 48))


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_counts_as_upright(orientation: int) -> None:
    assert decode(photo("red", "JPEG", exif=exif_of(orientation))).orientation == 1


@pytest.mark.parametrize(
    "exif", [b"Exif\x00\x00", b"Exif\x00\x00II*\x00", b"Exif\x00\x00MM\x00*\xff\xff\xff\xff" * 9]
)
def test_damaged_exif_counts_as_upright(exif: bytes) -> None:
    with warnings_as_served():
        assert decode(photo("red", "JPEG", exif=exif)).orientation == 1


def test_a_large_jpeg_is_decoded_at_a_smaller_scale() -> None:
    data = encode(scene((3000, 2000)), "JPEG")
    width, height = decode(data).pixels.size
    assert width < 3000
    assert height >= 2 * 256
    assert width / height == pytest.approx(1.5, rel=0.01)


def test_a_small_jpeg_is_decoded_whole() -> None:
    assert decode(encode(scene((640, 480)), "JPEG")).pixels.size == (640, 480)


@pytest.mark.parametrize(
    ("gap", "size", "decoded"),
    [
        (2.0, (1280, 720), (1280, 720)),
        (1.5, (1280, 720), (1280, 720)),
        (1.4, (1280, 720), (640, 360)),
        (1.0, (1920, 1080), (480, 270)),
        (1.0, (640, 480), (640, 480)),
    ],
)
def test_the_reducing_gap_bounds_how_small_a_jpeg_is_decoded(
    gap: float, size: tuple[int, int], decoded: tuple[int, int]
) -> None:
    found = decode(encode(scene(size), "JPEG"), DecodeLimits(reducing_gap=gap))
    assert found.pixels.size == decoded
    assert found.size == size


def test_scaled_decoding_shows_the_same_picture() -> None:
    image = scene((3000, 2000))
    found = decode(encode(image, "JPEG", quality=95)).pixels
    wanted = image.resize(found.size, Image.Resampling.BOX)
    difference = np.abs(np.asarray(found, np.int16) - np.asarray(wanted, np.int16))
    assert difference.mean() < 2


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "I;16"])
def test_many_rows_are_converted_as_a_few_are(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = scene((61, 47))
    picture.putalpha(scene((61, 47), seed=1).convert("L"))
    options: dict[str, Any] = {}
    if mode == "P":
        picture, options = picture.convert("RGB").quantize(64), {"transparency": 3}
    elif mode == "I;16":
        grey = np.asarray(picture.convert("L")).astype(np.uint16)
        picture = Image.fromarray(grey * 255 + 7)
    data = encode(picture.convert(mode) if mode == "LA" else picture, **options)
    at_once = decode(data).pixels
    monkeypatch.setattr(decoding, "_STRIP_PIXELS", 610)
    in_strips = decode(data).pixels
    assert in_strips.mode == at_once.mode
    assert in_strips.tobytes() == at_once.tobytes()
