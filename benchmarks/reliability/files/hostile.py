"""Files of the kinds that broke decoders elsewhere, made on the spot; none of them is large."""

import struct
import zlib
from collections.abc import Iterator

from PIL import Image

from benchmarks.reliability.files.images import (
    bomb,
    encode,
    exif_of,
    photo,
    plain,
    png_chunk,
    png_of_size,
    scene,
)

Case = tuple[str, bytes, set[int]]
"""A name, the bytes, and the statuses that they may be answered with."""

GOOD, DAMAGED, TOO_LARGE, UNKNOWN = {200}, {400}, {413}, {415}


def progressive(size: tuple[int, int], scans: int) -> bytes:
    """Return a progressive JPEG whose last scan comes again and again."""
    data = encode(plain("red", size), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * max(scans - data.count(b"\xff\xda") + 1, 1) + data[-2:]


def png_with(*chunks: bytes) -> bytes:
    """Return a whole PNG with more chunks after its header."""
    data = photo()
    return data[:33] + b"".join(chunks) + data[33:]


def gif_with_two_palettes() -> bytes:
    """Return a GIF of grey 200: all red by the file's palette, a grey ramp by the frame's own."""
    data = encode(Image.new("L", (40, 30), 200), "GIF", optimize=False)
    assert data[10] & 0x87 == 0x87, "a palette of 256 colours"
    ramp, frame = data[13 : 13 + 768], data.index(b",", 13 + 768)
    descriptor = bytearray(data[frame : frame + 10])
    descriptor[9] = 0x87
    red = bytes((250, 5, 5)) * 256
    return data[:13] + red + data[781:frame] + bytes(descriptor) + ramp + data[frame + 10 :]


def png_without_palette() -> bytes:
    """Return a PNG of palette indices whose palette is missing."""
    data = encode(plain().quantize(4))
    start = data.index(b"PLTE") - 4
    (length,) = struct.unpack_from(">I", data, start)
    return data[:start] + data[start + 12 + length :]


def hostile_files() -> Iterator[Case]:
    """Yield every case."""
    yield from _not_pictures()
    yield from _cut_and_broken()
    yield from _bombs()
    yield from _metadata()
    yield from _polyglots()
    yield from _shapes()


def _not_pictures() -> Iterator[Case]:
    yield "one byte", b"\xff", UNKNOWN
    yield "zeros", bytes(100_000), UNKNOWN
    yield "text", b"cat " * 999, UNKNOWN
    yield "a script", b"#!/bin/sh\nexit 0\n", UNKNOWN
    yield "ELF", b"\x7fELF\x02\x01\x01" + bytes(64), UNKNOWN
    yield "a pickle", b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x07builtins.", UNKNOWN
    for other in ("TIFF", "ICO", "TGA", "PCX", "SGI", "PPM", "ICNS", "DDS", "EPS", "PDF"):
        yield f"a whole {other}", encode(plain(), other), UNKNOWN


def _cut_and_broken() -> Iterator[Case]:
    for image_format in ("JPEG", "PNG", "WEBP", "GIF"):
        whole = encode(scene(), image_format)
        for sixteenths in (1, 4, 8, 12, 15):
            cut = whole[: len(whole) * sixteenths // 16]
            yield f"{image_format} cut at {sixteenths}/16", cut, DAMAGED | UNKNOWN
    png = photo()
    yield "PNG with a wrong checksum", png[:45] + b"\xff" + png[46:], DAMAGED
    yield "PNG without pixels", png[:33] + png_chunk(b"IEND", b""), DAMAGED
    yield "PNG whose chunk is longer than the file", png_with(b"\x7f\xff\xff\xffIDAT"), DAMAGED
    yield "PNG without its palette", png_without_palette(), DAMAGED
    yield "GIF with two palettes", gif_with_two_palettes(), GOOD
    yield "PNG of width 0", png_of_size(0, 9), DAMAGED
    jpeg = photo("red", "JPEG")
    at = jpeg.index(b"\xff\xc4")
    yield "JPEG without Huffman tables", jpeg[: at + 4] + bytes(len(jpeg) - at), DAMAGED
    yield "JPEG of height 0", _with_size(jpeg, 0, 64), DAMAGED
    yield "WebP whose chunk is longer than the file", _webp_with_length(0x7FFFFFFF), DAMAGED
    yield "BMP with a negative offset", _patched(photo("red", "BMP"), 10, b"\xff" * 4), DAMAGED


def _bombs() -> Iterator[Case]:
    yield "PNG of 400 MP", bomb(20_000), TOO_LARGE
    yield "PNG that says 2^31", png_of_size(2**31 - 1, 2**31 - 1), TOO_LARGE | DAMAGED
    yield "JPEG that says 65,500 squared", _with_size(photo("red", "JPEG"), 65500, 65500), TOO_LARGE
    yield "GIF that says 65,535 squared", _patched(photo("red", "GIF"), 6, b"\xff" * 4), TOO_LARGE
    yield "JPEG of 2,000 scans", progressive((1200, 900), 2000), TOO_LARGE
    text = zlib.compress(bytes(20_000_000), 9)
    yield "PNG with a text bomb", png_with(png_chunk(b"zTXt", b"a\x00\x00" + text)), DAMAGED | GOOD
    profile = png_chunk(b"iCCP", b"a\x00\x00" + text)
    yield "PNG with a profile bomb", png_with(profile), DAMAGED | GOOD
    second = Image.new("L", (3000, 3000))
    frames = encode(plain("red"), "GIF", save_all=True, append_images=[second])
    yield "GIF with a large second frame", frames, GOOD | TOO_LARGE


def _metadata() -> Iterator[Case]:
    yield (
        "JPEG with endless EXIF",
        photo("red", "JPEG", exif=b"Exif\x00\x00MM\x00*" + b"\xff" * 900),
        GOOD,
    )
    loop = b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x00\x00\x08\x00\x00\x00"
    yield "JPEG whose EXIF points at itself", photo("red", "JPEG", exif=loop), GOOD
    yield "PNG with an unfit profile", photo("red", "PNG", icc_profile=b"\x00" * 400), GOOD
    yield "JPEG with an unfit profile", photo("red", "JPEG", icc_profile=b"acsp" * 40), GOOD
    yield "PNG that is turned by nonsense", photo("red", "PNG", exif=exif_of(77)), GOOD
    yield "WebP with broken EXIF", photo("red", "WEBP", exif=b"\x00\xff" * 30), GOOD


def _polyglots() -> Iterator[Case]:
    for image_format in ("JPEG", "PNG", "GIF", "WEBP", "BMP"):
        data = photo("red", image_format)
        yield f"{image_format} with a ZIP behind it", data + b"PK\x03\x04" + bytes(200), GOOD
        yield f"{image_format} with a page behind it", data + b"<script>1</script>", GOOD
    yield "a page with a PNG behind it", b"<!doctype html>" + photo(), UNKNOWN
    frames = encode(plain("red"), "MPO", save_all=True, append_images=[plain("blue")])
    yield "MPO", frames, GOOD


def _shapes() -> Iterator[Case]:
    for size in ((1, 1), (1, 900), (900, 1), (3, 3), (1, 2)):
        yield f"PNG of {size}", encode(plain("red", size)), GOOD
        yield f"JPEG of {size}", encode(plain("red", size), "JPEG"), GOOD
    for mode in ("1", "L", "LA", "P", "RGBA", "I;16", "CMYK", "YCbCr"):
        image_format = "JPEG" if mode in {"CMYK", "YCbCr"} else "PNG"
        picture = Image.new(mode, (40, 30)) if mode == "I;16" else plain().convert(mode)
        yield f"{image_format} in mode {mode}", encode(picture, image_format), GOOD


def _patched(data: bytes, at: int, patch: bytes) -> bytes:
    return data[:at] + patch + data[at + len(patch) :]


def _with_size(jpeg: bytes, height: int, width: int) -> bytes:
    at = jpeg.index(b"\xff\xc0")
    return _patched(jpeg, at + 5, struct.pack(">HH", height, width))


def _webp_with_length(length: int) -> bytes:
    return _patched(photo("red", "WEBP"), 16, struct.pack("<I", length))
