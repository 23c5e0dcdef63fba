"""What is refused of a JPEG for how it would have to be decoded."""

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmarks.reliability.files.hostile import progressive
from service.engine.decode import DecodeLimits, decode_image
from service.engine.jpeg_scans import count_scans, is_one_baseline_scan
from service.errors import ImageTooLarge
from tests.support.images import encode, exif_of, plain, scene

SMALL = DecodeLimits(header_pixels=4_000_000, decoded_pixels=300_000)
BASELINE = encode(scene(), "JPEG")
FIRST_SEGMENT = BASELINE.index(b"\xff\xe0")


def in_two_scans(data: bytes) -> bytes:
    """Say that the first scan holds one colour less than the picture."""
    at = data.index(b"\xff\xda") + 4
    return data[:at] + bytes([data[at] - 1]) + data[at + 1 :]


def before_first_segment(marker: bytes) -> bytes:
    return BASELINE[:FIRST_SEGMENT] + marker + BASELINE[FIRST_SEGMENT:]


@pytest.mark.parametrize(
    "data",
    [
        BASELINE,
        encode(scene().convert("L"), "JPEG"),
        encode(scene().convert("CMYK"), "JPEG"),
        encode(scene(), "JPEG", exif=exif_of(6), comment=b"\xff\xda" * 50, optimize=True),
        encode(scene(), "JPEG", restart_marker_rows=1),
        encode(scene(), "MPO", save_all=True, append_images=[scene()]),
        before_first_segment(b"\xff\xff"),
    ],
    ids=["colour", "grey", "CMYK", "metadata", "restarts", "MPO", "padding"],
)
def test_usual_jpegs_are_decoded_row_by_row(data: bytes) -> None:
    assert is_one_baseline_scan(data)
    assert is_one_baseline_scan(memoryview(data))


@pytest.mark.parametrize(
    "data",
    [
        encode(scene(), "JPEG", progressive=True),
        in_two_scans(BASELINE),
        BASELINE.replace(b"\xff\xc0", b"\xff\xc9"),
        before_first_segment(b"\xff\xd0\x00\x02"),
        before_first_segment(b"\x00"),
        BASELINE[: BASELINE.index(b"\xff\xda")],
        BASELINE[:4],
        b"",
    ],
    ids=["progressive", "two scans", "arithmetic", "bare marker", "garbage", "cut", "head", "none"],
)
def test_whatever_else_there_is_counts_as_held_whole(data: bytes) -> None:
    assert not is_one_baseline_scan(data)


def test_scans_are_counted() -> None:
    assert count_scans(BASELINE) == 1
    assert count_scans(memoryview(progressive((64, 48), 40))) == 40
    assert count_scans(b"") == 0


def test_a_progressive_jpeg_is_bounded_by_its_full_size() -> None:
    picture = plain(size=(800, 600))
    decode_image(encode(picture, "JPEG"), SMALL, 32)
    with pytest.raises(ImageTooLarge, match="800 x 600 pixels and is progressive"):
        decode_image(encode(picture, "JPEG", progressive=True), SMALL, 32)
    decode_image(encode(plain(size=(600, 400)), "JPEG", progressive=True), SMALL, 32)


def test_scans_are_bounded_by_the_work_that_they_make() -> None:
    decode_image(progressive((64, 48), 500), DecodeLimits(), 32)
    with pytest.raises(ImageTooLarge, match="too many scans"):
        decode_image(progressive((1200, 900), 500), DecodeLimits(), 32)


@given(st.lists(st.binary(max_size=6) | st.sampled_from([b"\xff\xc2", b"\xff\xc0\x00\x0b"])))
def test_no_bytes_before_a_progressive_frame_make_it_look_like_another(parts: list[bytes]) -> None:
    data = encode(Image.new("RGB", (8, 8)), "JPEG", progressive=True)
    changed = data[:2] + b"".join(parts) + data[2:]
    seen = is_one_baseline_scan(changed)
    try:
        image = Image.open(BytesIO(changed), formats=("JPEG",))
    except (OSError, SyntaxError, ValueError):
        return
    assert not (seen and image.info.get("progressive"))
