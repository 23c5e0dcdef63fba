"""Files that would cost far more to read than to send are refused, whoever is honest is not."""

import pytest

from benchmarks.reliability.files import costly
from service.engine.decode import DecodedImage, DecodeLimits, decode_image
from service.engine.pieces import MOST_PIECES
from service.errors import DamagedImage, RequestError
from tests.support.images import photo, png_chunk

TINY = DecodeLimits(header_pixels=10_000, decoded_pixels=10_000)


def decode(data: bytes, limits: DecodeLimits | None = None) -> DecodedImage:
    return decode_image(data, limits or DecodeLimits(), 36)


def colour(image: DecodedImage) -> tuple[int, ...]:
    pixel = image.pixels.convert("RGB").getpixel((5, 5))
    assert isinstance(pixel, tuple)
    return tuple(round(value / 250) for value in pixel)


@pytest.mark.parametrize(
    "data",
    [
        costly.jpeg_of_pieces(b"\xff\xfe\x00\x02", MOST_PIECES),
        costly.jpeg_of_pieces(b"\xff", 4 * MOST_PIECES),
        costly.jpeg_of_pieces(b"\xff\xd8", 2 * MOST_PIECES),
        costly.jpeg_of_pieces(b"\x01", 4 * MOST_PIECES),
        costly.png_of_pieces(b"prIv", b"", MOST_PIECES),
        costly.png_of_pieces(b"IDAT", b"", MOST_PIECES),
        costly.gif_of_pieces(b"\x21\xfe\x01a\x00", MOST_PIECES),
        costly.gif_of_pieces(b"\x01", 4 * MOST_PIECES),
    ],
    ids=[
        "comments", "padding", "markers", "junk", "private chunks", "empty chunks",
        "gif comments", "gif junk",
    ],
)  # fmt: skip
def test_a_file_of_tiny_pieces_is_refused(data: bytes) -> None:
    with pytest.raises(DamagedImage, match="pieces"):
        decode(data)


@pytest.mark.parametrize(
    "data",
    [
        costly.jpeg_of_pieces(b"\xff\xfe\x00\x02", 1000),
        costly.jpeg_of_pieces(b"\xff\xfe\xff\xf0" + bytes(0xFFF0 - 2), 100),
        costly.png_of_pieces(b"prIv", b"x", 1000),
        costly.gif_of_pieces(b"\x21\xfe\x01a\x00", 1000),
        photo("red", "JPEG") + bytes(1_000_000),
        photo("red", "PNG") + png_chunk(b"prIv", b"") * (MOST_PIECES + 1),
    ],
    ids=["comments", "6 MB of metadata", "chunks", "gif comments", "a tail", "a tail of chunks"],
)
def test_a_file_of_many_pieces_is_fine(data: bytes) -> None:
    assert colour(decode(data)) == (1, 0, 0)


@pytest.mark.parametrize("beginning", [b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"GIF8"])
@pytest.mark.parametrize("rest", [b"", b"\xff", b"\x21", bytes(20), b"\xff\xda", b"\xff\xe0"])
@pytest.mark.parametrize("filler", [b"", b"\xff\xfe\xff\xff", bytes(70_000), b"\xff" * 70_000])
def test_a_walk_ends_with_the_file(beginning: bytes, filler: bytes, rest: bytes) -> None:
    with pytest.raises(RequestError):
        decode(beginning + filler * 3 + rest)


@pytest.mark.parametrize(
    "data",
    [
        costly.gif_with_a_huge_second_frame(),
        costly.png_with_a_huge_second_frame(),
        costly.webp_of_frames(200),
    ],
    ids=["GIF", "PNG", "WEBP"],
)
def test_an_animation_costs_its_first_frame(data: bytes) -> None:
    image = decode(data, TINY)
    assert image.pixels.size == (64, 48)
    assert colour(image) == (1, 0, 0)
