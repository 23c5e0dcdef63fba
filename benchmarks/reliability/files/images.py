"""Pictures made on the spot, and their bytes."""

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from PIL import ExifTags, Image

COLOURS = {"red": (250, 5, 5), "green": (5, 250, 5), "blue": (5, 5, 250)}
SIZE = (64, 48)


def plain(colour: str = "red", size: tuple[int, int] = SIZE) -> Image.Image:
    """Return a picture of one colour."""
    return Image.new("RGB", size, COLOURS[colour])


def scene(size: tuple[int, int] = SIZE, seed: int = 0) -> Image.Image:
    """Return a smooth picture without any symmetry."""
    width, height = size
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (5, 7, 3), np.uint8), "RGB")
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


def encode(image: Image.Image, image_format: str = "PNG", **options: Any) -> bytes:
    """Return the bytes of a file."""
    target = BytesIO()
    image.save(target, image_format, **options)
    return target.getvalue()


def photo(colour: str = "red", image_format: str = "PNG", **options: Any) -> bytes:
    """Return the bytes of a picture of one colour."""
    return encode(plain(colour), image_format, **options)


def exif_of(orientation: int) -> Image.Exif:
    """Return EXIF data that says how the picture is to be turned."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif


def stored_as(image: Image.Image, orientation: int) -> bytes:
    """Return a PNG that shows `image` once it is turned as its EXIF data says."""
    unturn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = image.transpose(unturn[orientation]) if orientation in unturn else image
    return encode(stored, exif=exif_of(orientation))


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """Return one PNG chunk with its checksum."""
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum


def png_of_size(width: int, height: int, data: bytes = b"") -> bytes:
    """Return a 1-bit PNG that claims a size; `data` are its compressed rows."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", header),
            png_chunk(b"IDAT", data),
            png_chunk(b"IEND", b""),
        )
    )


def bomb(side: int = 20_000) -> bytes:
    """Return a complete, honest PNG of side x side black pixels in a few kilobytes."""
    compressor = zlib.compressobj(9)
    row = bytes(1 + (side + 7) // 8)
    packed = b"".join(compressor.compress(row) for _ in range(side)) + compressor.flush()
    return png_of_size(side, side, packed)
