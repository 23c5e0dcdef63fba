"""Rows 11, 12 and 15: files that are dear to decode, beside good ones, and one picture in many."""

import http.client
import itertools
import zlib
from collections.abc import Iterator
from io import BytesIO

import numpy as np
from PIL import Image

from benchmarks.closed_loop import closed_loop
from benchmarks.photos import make_photos
from benchmarks.reliability.files import costly
from benchmarks.reliability.files.hostile import progressive
from benchmarks.reliability.files.images import (
    bomb,
    encode,
    png_chunk,
    png_of_size,
    scene,
    stored_as,
)
from benchmarks.reliability.flood import flood
from benchmarks.reliability.row import Faults, Options, Outcome
from benchmarks.reliability.serving import MODEL, Server, serving, timed_post, yardstick
from benchmarks.traffic import Traffic

_MOST_MS, _MOST_RISE_MB = 1500.0, 150.0
_MOST_DIFFERENCE = 0.02

Named = Iterator[tuple[str, bytes]]


def bombs() -> Named:
    """Yield files that are small to send and dear to read, all of them allowed to be sent."""
    yield "1-bit PNG of 169 MP", bomb(13_000)
    yield "1-bit PNG of 64 MP", bomb(8_000)
    yield "1-bit PNG of 16 MP", bomb(4_000)
    yield "PNG that says 65,535 squared", png_of_size(65_535, 65_535)
    yield "RGB PNG of 16 MP", encode(Image.new("RGB", (4000, 4000)))
    yield "RGBA PNG of 16 MP", encode(Image.new("RGBA", (4000, 4000)))
    yield "16-bit PNG of 16 MP", encode(Image.new("I;16", (4000, 4000)))
    yield "palette PNG of 16 MP", encode(Image.new("P", (4000, 4000)), transparency=0)
    yield "baseline JPEG of 64 MP", encode(Image.new("RGB", (8000, 8000)), "JPEG")
    yield (
        "progressive JPEG of 16 MP",
        encode(scene((4000, 4000)), "JPEG", progressive=True, quality=60),
    )
    yield "CMYK JPEG of 16 MP", encode(Image.new("CMYK", (4000, 4000)), "JPEG")
    yield "JPEG of 2,000 scans", progressive((1200, 900), 2000)
    yield "WebP of 8 MP", encode(Image.new("RGB", (4000, 2000)), "WEBP")
    yield "GIF of 16 MP", encode(Image.new("P", (4000, 4000)), "GIF")
    yield "BMP of 6 MP", encode(Image.new("RGB", (3000, 2000)), "BMP")
    yield "GIF, huge second frame", costly.gif_with_a_huge_second_frame()
    yield "APNG, huge second frame", costly.png_with_a_huge_second_frame()
    yield "WebP of 200 frames", costly.webp_of_frames(200)
    yield "JPEG of 200,000 segments", costly.jpeg_of_pieces(b"\xff\xfe\x00\x02", 200_000)
    yield "PNG of 200,000 chunks", costly.png_of_pieces(b"tEXt", b"a\x00b", 200_000)
    text = b"a\x00\x00" + _deflated(100_000_000)
    yield "PNG with a text bomb", _png_with(png_chunk(b"zTXt", text))
    yield "PNG with a profile bomb", _png_with(png_chunk(b"iCCP", text))


def worst_image(options: Options) -> Outcome:
    """Row 11."""
    files = list(bombs())
    with serving(options.repository, models=MODEL) as server:
        mine = _worst(server, files)
    other = ""
    if options.yardstick:
        with yardstick(options) as server:
            ms, slowest, rise, largest, statuses = _worst(server, files)
            other = f"{ms / 1e3:.2f} s, {rise:.0f} MB, {statuses.count(500)} x 500"
    ms, slowest, rise, largest, statuses = mine
    wrong = sum(status not in {200, 400, 413} for status in statuses)
    return Outcome(
        f"{ms / 1e3:.2f} s, {rise:.0f} MB",
        "at most 1.5 s, 150 MB",
        ms <= _MOST_MS and rise <= _MOST_RISE_MB and not wrong,
        other,
        f"of {len(files)} files: {slowest}; {largest}; {wrong} answered with another status "
        "than 200, 400, 413",
    )


def _worst(
    server: Server, files: list[tuple[str, bytes]]
) -> tuple[float, str, float, str, list[int]]:
    """Return the slowest answer and its file, the largest rise of memory and its, statuses."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    for photo in make_photos(5):
        timed_post(connection, photo)
    slowest, rises, statuses = (0.0, ""), (0.0, ""), []
    for name, data in files:
        before = server.rss_mb()
        server.forget_peak()
        status, _, ms = timed_post(connection, data)
        statuses.append(status)
        slowest = max(slowest, (ms, name))
        rises = max(rises, (server.peak_mb() - before, name))
    connection.close()
    return *slowest, *rises, statuses


def beside_bombs(options: Options) -> Outcome:
    """Row 12."""
    photos = make_photos(20)
    dear = [data for _, data in itertools.islice(bombs(), 15) if len(data) < 300_000]
    good, bad = Traffic(tuple(photos)).requests(), Traffic(tuple(dear)).requests()
    with serving(options.repository, models=MODEL, log_level="warning") as server:
        closed_loop(server.port, Traffic(tuple(photos)), 1, 1)
        each = [ms for data in dear if (ms := _one(server.port, data))]
        # a third of the two cores' time, with the dear ones
        rate = 0.33 / ((4 * 5.0 + sum(each) / len(each)) / 5 / 2 / 1e3)
        alone = flood(server.port, [good], rate, options.seconds, cpu=None)
        mixed = flood(server.port, [good, good, good, good, bad], rate, options.seconds, cpu=None)
    unloaded, found = alone.p99_ms(200), max(mixed.p99_ms(200, kind) for kind in range(4))
    failed = mixed.broken + mixed.unanswered + mixed.unsent + mixed.count(500)
    return Outcome(
        f"{found / unloaded:.1f} x ({found:.0f} ms), {failed} failed",
        "at most 3 x",
        found <= 3 * unloaded and not failed,
        note=f"{rate:.0f}/s, every fifth of {len(dear)} kinds that take {max(each):.0f} ms at "
        f"most; p99 without them {unloaded:.0f} ms; {mixed.count(503)} shed",
    )


def _one(port: int, data: bytes) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    status, _, ms = timed_post(connection, data)
    connection.close()
    return ms if status else 0.0


def invariance(options: Options) -> Outcome:
    """Row 15."""
    picture = Image.open(BytesIO(make_photos(1)[0])).convert("RGB")
    pairs = [*_modes(picture), *_orientations(picture)]
    with serving(options.repository, models=MODEL) as server:
        mine = _agreement(server, pairs)
    other = ""
    if options.yardstick:
        with yardstick(options) as server:
            faults, difference = _agreement(server, pairs)
            other = f"{faults.passed} of {faults.tried}, {difference:.3f}"
    faults, difference = mine
    return Outcome(
        f"{faults.passed} of {faults.tried}, {difference:.3f}",
        f"all, difference at most {_MOST_DIFFERENCE}",
        faults.tried == 21 and not faults.names,
        other,
        faults.note() or "top-1 of each file and of its RGB twin, largest difference of theirs",
    )


def _agreement(server: Server, pairs: list[tuple[str, bytes, bytes]]) -> tuple[Faults, float]:
    faults, largest = Faults(), 0.0
    for name, data, twin in pairs:
        (status, document), (_, expected) = server.post(data), server.post(twin)
        if status != 200:
            faults.check(name, False, status)
            continue
        found, wanted = document["predictions"][0], expected["predictions"][0]
        difference = abs(found["probability"] - wanted["probability"])
        largest = max(largest, difference)
        same = found["label"] == wanted["label"] and difference <= _MOST_DIFFERENCE
        faults.check(name, same)
    return faults, largest


def _modes(picture: Image.Image) -> Iterator[tuple[str, bytes, bytes]]:
    """Yield a name, a file in another mode, and its twin as RGB."""
    grey, palette, bits = picture.convert("L"), picture.quantize(256), picture.convert("1")
    few = picture.quantize(200)
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    stored = {
        "L": (encode(grey), grey),
        "L as JPEG": (soft := encode(grey, "JPEG", quality=95), _read(soft)),
        "LA": (encode(_opaque(grey)), grey),
        "RGBA": (encode(_opaque(picture)), picture),
        "RGBA as WebP": (encode(_opaque(picture), "WEBP", lossless=True), picture),
        "P": (encode(palette), palette),
        "P as GIF": (encode(palette, "GIF"), palette),
        "P, an unused entry transparent": (encode(few, transparency=255), few),
        "1": (encode(bits), bits),
        "CMYK": (cmyk := encode(picture.convert("CMYK"), "JPEG", quality=95), _read(cmyk)),
        "16-bit grey": (encode(deep), grey),
        "RGB as BMP": (encode(picture, "BMP"), picture),
        "progressive JPEG": (
            encode(picture, "JPEG", quality=95, progressive=True),
            _read(encode(picture, "JPEG", quality=95)),
        ),
    }
    for name, (data, twin) in stored.items():
        yield name, data, encode(twin.convert("RGB"))


def _orientations(picture: Image.Image) -> Iterator[tuple[str, bytes, bytes]]:
    twin = encode(picture)
    for orientation in range(1, 9):
        yield f"orientation {orientation}", stored_as(picture, orientation), twin


def _opaque(image: Image.Image) -> Image.Image:
    image = image.copy()
    image.putalpha(Image.new("L", image.size, 255))
    return image


def _read(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data))


def _png_with(chunk: bytes) -> bytes:
    data = encode(scene())
    return data[:33] + chunk + data[33:]


def _deflated(count: int) -> bytes:
    compressor = zlib.compressobj(9)
    block = bytes(1_000_000)
    parts = [compressor.compress(block) for _ in range(count // len(block))]
    return b"".join(parts) + compressor.flush()
