"""Bytes that are no picture, or too much of one: each has its own refusal."""

import traceback
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.engine.decode import DecodeLimits, decode_image
from service.errors import (
    DamagedImage,
    EmptyBody,
    ImageTooLarge,
    RequestError,
    UnsupportedMedia,
)
from tests.support.images import bomb, encode, photo, png_of_size, scene
from tests.support.warnings_as_served import warnings_as_served

SMALL = DecodeLimits(header_pixels=1_000_000, decoded_pixels=100_000)
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")

HEADS = {
    "HEIC": b"\x00\x00\x00\x18ftypheic" + bytes(40),
    "AVIF": b"\x00\x00\x00\x1cftypavif" + bytes(40),
    "HEIF": b"\x00\x00\x00\x1cftypmif1" + bytes(40),
    "video": b"\x00\x00\x00\x1cftypisom" + bytes(40),
    "TIFF": b"II*\x00\x08\x00\x00\x00" + bytes(40),
    "TIFF or camera raw": b"MM\x00*\x00\x00\x00\x08" + bytes(40),
    "JPEG XL": b"\x00\x00\x00\x0cJXL \r\n\x87\n" + bytes(40),
    "JPEG 2000": b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(40),
    "PDF": b"%PDF-1.7\n",
    "SVG": b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>',
    "HTML": b"\n<!DOCTYPE html><html><body>404</body></html>",
    "gzip": b"\x1f\x8b\x08\x00" + bytes(20),
    "ZIP": b"PK\x03\x04" + bytes(20),
    "PSD": b"8BPS\x00\x01" + bytes(20),
    "ICO": b"\x00\x00\x01\x00\x01\x00" + bytes(20),
    "A URL": b"https://example.com/cat.jpg",
}


def decode(data: bytes, limits: DecodeLimits | None = None) -> None:
    decode_image(data, limits or DecodeLimits(), shorter_side=36)


def test_no_bytes_are_called_empty() -> None:
    with pytest.raises(EmptyBody):
        decode(b"")


@pytest.mark.parametrize("name", HEADS)
def test_a_known_other_format_is_named_with_what_to_do(name: str) -> None:
    with pytest.raises(UnsupportedMedia) as caught:
        decode(HEADS[name])
    assert name in caught.value.detail
    assert "convert it to JPEG, PNG, WebP, GIF or BMP" in caught.value.detail


@pytest.mark.parametrize("data", [b"hello", b"\x00", bytes(100_000), b"\x7fELF" + bytes(60)])
def test_anything_else_is_told_what_is_accepted(data: bytes) -> None:
    with pytest.raises(UnsupportedMedia) as caught:
        decode(data)
    assert "JPEG, PNG, WebP, GIF or BMP" in caught.value.detail


@pytest.mark.parametrize("other", ["TIFF", "ICO", "PCX", "SGI", "PPM", "TGA", "DDS"])
def test_formats_that_pillow_knows_and_we_do_not_accept_are_refused(other: str) -> None:
    with pytest.raises(UnsupportedMedia):
        decode(photo("red", other))


@pytest.mark.parametrize("image_format", FORMATS)
@pytest.mark.parametrize("sixteenths", [8, 12, 15])
def test_a_file_cut_short_is_damaged(image_format: str, sixteenths: int) -> None:
    data = encode(scene((200, 150)), image_format)
    with warnings_as_served(), pytest.raises(DamagedImage):
        decode(data[: len(data) * sixteenths // 16])


@pytest.mark.parametrize("image_format", FORMATS)
def test_a_header_alone_is_damaged(image_format: str) -> None:
    with warnings_as_served(), pytest.raises(DamagedImage):
        decode(photo("red", image_format)[:20])


def test_a_wrong_checksum_is_damaged() -> None:
    data = bytearray(encode(scene()))
    data[data.index(b"IDAT") + 10] ^= 0xFF
    with pytest.raises(DamagedImage):
        decode(bytes(data))


def pixels_announced_too_short(data: bytes) -> bytes:
    start = data.index(b"IDAT") - 4
    length = int.from_bytes(data[start : start + 4], "big") - 56
    return data[:start] + length.to_bytes(4, "big") + data[start + 4 :]


@pytest.mark.parametrize(
    "damage",
    [
        pixels_announced_too_short,
        lambda data: data.replace(b"IDAT", b"I\xffAT"),
        lambda data: data.replace(b"tRNS", b"t\xffNS"),
        lambda data: data.replace(b"\x00\x00\x00\x0dIHDR", b"\x00\x00\x00\x05IHDR"),
        lambda data: data.replace(b"\x00\x00\x00\x0dIHDR", b"\x7f\xff\xff\xffIHDR"),
    ],
    ids=["length of IDAT", "IDAT", "tRNS", "short", "long"],
)
def test_a_png_with_a_broken_chunk_is_damaged(damage: Callable[[bytes], bytes]) -> None:
    data = damage(encode(scene().quantize(16), transparency=3))
    with pytest.raises(DamagedImage):
        decode(data)


def test_a_png_without_pixels_is_damaged() -> None:
    with pytest.raises(DamagedImage):
        decode(png_of_size(20, 20))


def test_bytes_after_the_end_do_no_harm() -> None:
    decode(photo("red", "JPEG") + b"PK\x03\x04" + bytes(100))
    decode(photo("red", "PNG") + b"<html>")


def test_a_bomb_is_refused() -> None:
    data = bomb(20_000)
    assert len(data) < 100_000
    with pytest.raises(ImageTooLarge):
        decode(data)


@pytest.mark.parametrize(
    ("width", "height"), [(8001, 8000), (9000, 9900), (64_000_001, 1), (60_000, 60_000)]
)
def test_size_is_decided_by_the_header_alone(width: int, height: int) -> None:
    # there is nothing to decode: whoever tried would call it damaged
    with pytest.raises(ImageTooLarge) as caught:
        decode(png_of_size(width, height))
    assert "scale it down" in caught.value.detail


def test_a_png_within_the_header_limit_and_above_the_decoding_limit_is_refused() -> None:
    with pytest.raises(ImageTooLarge, match="100000"):
        decode(png_of_size(400, 300), SMALL)


def test_a_jpeg_of_the_same_size_is_scaled_instead() -> None:
    decode(encode(scene((400, 300)), "JPEG"), SMALL)


def test_a_jpeg_above_the_header_limit_is_refused() -> None:
    with pytest.raises(ImageTooLarge, match="1000000"):
        decode(encode(scene((1100, 1000)), "JPEG"), SMALL)


def test_a_webp_may_have_half_the_pixels_of_the_others() -> None:
    limits = DecodeLimits(decoded_pixels=2_000)
    for size, format_ in (((40, 25), "WEBP"), ((50, 40), "PNG")):
        assert decode_image(encode(scene(size), format_), limits, 32)
    with pytest.raises(ImageTooLarge, match="1000"):
        decode_image(encode(scene((41, 25)), "WEBP"), limits, 32)


def test_a_webp_that_claims_a_huge_canvas_is_refused() -> None:
    frames = {"save_all": True, "append_images": [scene(seed=1)], "lossless": True}
    data = bytearray(encode(scene(), "WEBP", **frames))
    canvas = data.index(b"VP8X") + 12
    data[canvas : canvas + 6] = b"\xfe\x3f\x00\xfe\x3f\x00"  # 16383 x 16383, each less one
    with pytest.raises(ImageTooLarge):
        decode(bytes(data))


def _mutated(data: bytes, edits: list[tuple[int, int]], cut: int) -> bytes:
    changed = bytearray(data)
    for position, value in edits:
        changed[position % len(changed)] = value
    return bytes(changed[: len(changed) - cut % len(changed)])


SEEDS = [
    encode(scene((40, 30)), "JPEG"),
    encode(scene((40, 30)), "JPEG", progressive=True),
    encode(scene((40, 30)).convert("CMYK"), "JPEG"),
    encode(scene((40, 30))),
    encode(scene((40, 30)).quantize(16), "PNG", transparency=3),
    encode(scene((40, 30)).convert("LA")),
    encode(scene((40, 30)), "PNG", save_all=True, append_images=[scene((40, 30), seed=1)]),
    encode(scene((40, 30)), "WEBP"),
    encode(scene((40, 30)), "WEBP", lossless=True, exif=b"Exif\x00\x00"),
    encode(scene((40, 30)), "GIF"),
    encode(scene((40, 30)), "GIF", save_all=True, append_images=[scene((40, 30), seed=1)]),
    encode(scene((40, 30)), "BMP"),
    encode(scene((40, 30)).quantize(16), "BMP"),
]
EDITS = st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=8)


@settings(max_examples=400)
@given(data=st.builds(_mutated, st.sampled_from(SEEDS), EDITS, st.just(0) | st.integers(0, 4000)))
@example(data=b"\xff\xd8\xff")
@example(data=b"BM")
def test_damaged_bytes_raise_only_our_own_errors(data: bytes) -> None:
    with warnings_as_served():
        try:
            decode(data, SMALL)
        except RequestError as error:
            shown = "".join(traceback.format_exception(error))
            assert "0x" not in shown
            assert "PIL" not in shown


@given(head=st.sampled_from([seed[:24] for seed in SEEDS]), rest=st.binary(max_size=300))
def test_random_bytes_after_a_true_beginning_raise_only_our_own_errors(
    head: bytes, rest: bytes
) -> None:
    with warnings_as_served():
        try:
            decode(head + rest, SMALL)
        except RequestError as error:
            assert "0x" not in error.detail
