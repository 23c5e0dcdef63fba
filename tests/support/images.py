"""Pictures made on the spot, and their bytes: those that the reliability scorecard uses."""

from benchmarks.reliability.files.images import (
    COLOURS,
    SIZE,
    bomb,
    encode,
    exif_of,
    photo,
    plain,
    png_chunk,
    png_of_size,
    scene,
    stored_as,
)

__all__ = [
    "COLOURS",
    "SIZE",
    "bomb",
    "encode",
    "exif_of",
    "photo",
    "plain",
    "png_chunk",
    "png_of_size",
    "scene",
    "stored_as",
]
