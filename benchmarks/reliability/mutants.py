"""Damaged image files: a seed and what is done to it, the same for the same random numbers.

Bytes are flipped, cut out, repeated and exchanged for those of another file, and numbers are set
to values at the edges of their types. The checksums of half the damaged PNGs are made right again,
so that more than the checksum is tried.
"""

import io
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

_EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_PNG = b"\x89PNG\r\n\x1a\n"
_MOST_BYTES = 300_000  # larger seeds make for fewer mutants


def make_seeds() -> list[bytes]:
    """Return small files of every accepted format, each in several of its modes."""
    numbers = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    scene = Image.fromarray(numbers).resize((61, 47), Image.Resampling.BICUBIC)
    few, exif = scene.quantize(16), Image.Exif()
    exif[0x0112] = 6
    wide = Image.fromarray(np.asarray(scene)[:, :, 0].astype(np.uint16) * 257)
    animation = {"save_all": True, "append_images": [scene.rotate(90), scene.rotate(180)]}
    return [
        _file(scene, "JPEG", exif=exif, icc_profile=bytes(range(200))),
        _file(scene, "JPEG", progressive=True, subsampling=0),
        _file(scene.convert("L"), "JPEG", restart_marker_rows=1),
        _file(scene.convert("CMYK"), "JPEG"),
        _file(scene, "MPO", **animation),
        _file(scene, "PNG", exif=exif),
        _file(scene.convert("RGBA"), "PNG"),
        _file(few, "PNG", transparency=3, bits=4),
        _file(scene.convert("1"), "PNG"),
        _file(wide, "PNG"),
        _file(scene, "PNG", **animation),
        _file(scene, "WEBP", exif=exif),
        _file(scene.convert("RGBA"), "WEBP", lossless=True),
        _file(scene, "WEBP", **animation),
        _file(few, "GIF", transparency=2, interlace=1),
        _file(scene, "GIF", **animation),
        _file(scene, "BMP"),
        _file(few, "BMP"),
        _file(scene.convert("1"), "BMP"),
    ]


def read_seeds(folder: Path) -> list[bytes]:
    """Return the files under a folder, in order of their paths, without the large ones."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [path.read_bytes() for path in files if 0 < path.stat().st_size <= _MOST_BYTES]


def mutant(seeds: list[bytes], numbers: random.Random) -> bytes:
    """Return one damaged file."""
    data = bytearray(numbers.choice(seeds))
    for _ in range(numbers.choice((1, 1, 2, 3, 5, 9, 20))):
        numbers.choice(_DAMAGES)(data, seeds, numbers)
        if not data:
            return b""
    if data.startswith(_PNG) and numbers.random() < 0.5:
        _mend_checksums(data)
    return bytes(data)


def _flip(data: bytearray, _: list[bytes], numbers: random.Random) -> None:
    data[_early(data, numbers)] ^= 1 << numbers.randrange(8)


def _set_byte(data: bytearray, _: list[bytes], numbers: random.Random) -> None:
    data[_early(data, numbers)] = numbers.randrange(256)


def _set_edge(data: bytearray, _: list[bytes], numbers: random.Random) -> None:
    kind = numbers.choice(("B", "<H", ">H", "<I", ">I"))
    size = struct.calcsize(kind)
    at = _early(data, numbers)
    data[at : at + size] = struct.pack(kind, numbers.choice(_EDGES) & ((1 << 8 * size) - 1))


def _cut_end(data: bytearray, _: list[bytes], numbers: random.Random) -> None:
    del data[numbers.randrange(len(data)) :]


def _cut_out(data: bytearray, _: list[bytes], numbers: random.Random) -> None:
    at = _early(data, numbers)
    del data[at : at + numbers.randint(1, 40)]


def _repeat(data: bytearray, _: list[bytes], numbers: random.Random) -> None:
    at = _early(data, numbers)
    data[at:at] = data[at : at + numbers.randint(1, 60)] * numbers.choice((1, 2, 30))


def _exchange(data: bytearray, seeds: list[bytes], numbers: random.Random) -> None:
    other = numbers.choice(seeds)
    at, length = _early(data, numbers), numbers.randint(1, 200)
    start = numbers.randrange(len(other))
    data[at : at + length] = other[start : start + length]


_DAMAGES: tuple[Callable[[bytearray, list[bytes], random.Random], None], ...] = (
    _flip, _flip, _set_byte, _set_byte, _set_edge, _set_edge, _cut_end, _cut_out, _repeat,
    _exchange,
)  # fmt: skip


def _early(data: bytearray, numbers: random.Random) -> int:
    """Return a position; half of them are among the first 128 bytes, where the headers are."""
    return numbers.randrange(min(len(data), 128) if numbers.random() < 0.5 else len(data))


def _mend_checksums(data: bytearray) -> None:
    at = len(_PNG)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 8 + length
        if end + 4 > len(data):
            return
        struct.pack_into(">I", data, end, zlib.crc32(data[at + 4 : end]))
        at = end + 4


def _file(image: Image.Image, image_format: str, **options: object) -> bytes:
    target = io.BytesIO()
    image.save(target, image_format, **options)
    return target.getvalue()
