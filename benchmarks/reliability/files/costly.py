"""Files that are small to send and costly to read."""

import struct
import zlib

from PIL import Image

from benchmarks.reliability.files.images import encode, photo, png_chunk


def jpeg_of_pieces(segment: bytes, count: int) -> bytes:
    """Return a JPEG with `count` segments (or other bytes) before its picture."""
    data = photo("red", "JPEG")
    return data[:2] + segment * count + data[2:]


def png_of_pieces(kind: bytes, content: bytes, count: int) -> bytes:
    """Return a PNG with `count` more chunks."""
    data = photo("red", "PNG")
    at = data.index(b"IDAT") - 4
    return data[:at] + png_chunk(kind, content) * count + data[at:]


def gif_of_pieces(extension: bytes, count: int) -> bytes:
    """Return a GIF with `count` extensions (or other bytes) before its first frame."""
    data = photo("red", "GIF")
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    return data[:at] + extension * count + data[at:]


def _bomb_frame_gif(size: tuple[int, int]) -> bytes:
    descriptor = b"\x2c" + struct.pack("<HHHHB", 0, 0, *size, 0)
    return descriptor + b"\x08\x04\x00\x01\x05\x04\x00"


def gif_with_a_huge_second_frame() -> bytes:
    """Return a GIF whose second frame claims 65535 x 65535 pixels."""
    return photo("red", "GIF").rstrip(b";") + _bomb_frame_gif((65535, 65535)) + b";"


def png_with_a_huge_second_frame() -> bytes:
    """Return an animated PNG whose second frame claims 30000 x 30000 pixels."""
    frames = [Image.new("RGB", (64, 48), colour) for colour in ((250, 5, 5), (5, 250, 5))]
    data = encode(frames[0], "PNG", save_all=True, append_images=frames[1:])
    at = data.rindex(b"fcTL")
    content = bytearray(data[at + 4 : at + 30])
    content[4:12] = struct.pack(">II", 30_000, 30_000)
    chunk = png_chunk(b"fcTL", bytes(content))
    body = zlib.compress(bytes(10_000_000))
    picture = png_chunk(b"fdAT", struct.pack(">I", 2) + body)
    return data[: at - 4] + chunk + picture + png_chunk(b"IEND", b"")


def webp_of_frames(count: int) -> bytes:
    """Return an animated WebP with `count` frames, red first."""
    frames = [Image.new("RGB", (64, 48), (5 * i % 256, 250, 5)) for i in range(1, count)]
    return encode(
        Image.new("RGB", (64, 48), (250, 5, 5)), "WEBP", save_all=True, append_images=frames
    )
