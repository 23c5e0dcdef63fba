"""Row 27: memory, files and threads over thousands of requests, hostile ones among them."""

import asyncio
import itertools
import time
from collections import Counter
from dataclasses import dataclass, field

from benchmarks.photos import make_photos
from benchmarks.reliability.files.hostile import hostile_files
from benchmarks.reliability.requests import raw, status_of
from benchmarks.reliability.row import Options, Outcome
from benchmarks.reliability.serving import MODEL, Server, serving
from benchmarks.traffic import Traffic

_REQUESTS = 20_000
_CLIENTS = 8
_SMALL = (368, 276)
_MOST_RISE_MB = 5.0
_FLAT = 2  # more files or threads than before
_SAMPLE_EVERY_S = 0.25


def memory_over_time(options: Options) -> Outcome:
    """Row 27."""
    good = Traffic(tuple(make_photos(20, _SMALL))).requests()
    hostile = [*_hostile()]
    # nine good ones and a hostile one, in turn
    turns = [
        hostile[i // 10 % len(hostile)] if i % 10 == 9 else good[i % len(good)] for i in range(2000)
    ]
    most_s = 50 * min(1.0, options.seconds / 8)
    with serving(options.repository, models=MODEL, log_level="error") as server:
        asyncio.run(_Load(server.port, turns).ask(_REQUESTS // 10, most_s / 5))
        before = server.descriptors(), server.threads()
        load = _Load(server.port, turns)
        samples = asyncio.run(_sampled(server, load, most_s))
        time.sleep(0.5)
        after = server.descriptors(), server.threads()
        alive = server.alive
    slope = _slope([(done, mb) for done, mb in samples]) * 10_000
    files, threads = (b - a for a, b in zip(before, after, strict=True))
    enough = load.done >= _REQUESTS
    return Outcome(
        f"{slope:+.1f} MB per 10,000, {files:+d} files, {threads:+d} threads",
        f"at most {_MOST_RISE_MB:g} MB, flat",
        None
        if not enough and options.seconds < 8
        else slope <= _MOST_RISE_MB and max(files, threads) <= _FLAT and alive,
        note=f"{load.done} requests, every tenth hostile, statuses "
        f"{dict(sorted(load.statuses.items()))}; {samples[0][1]:.0f} to {samples[-1][1]:.0f} MB",
    )


def _hostile() -> list[bytes]:
    """Return hostile images, forms and framing, as whole requests."""
    files = [data for _, data, _ in hostile_files() if 0 < len(data) < 400_000]
    requests = Traffic(tuple(files), content_type="application/octet-stream").requests()
    lines = ("POST /classify HTTP/1.1", "Host: localhost")
    requests.append(raw(*lines, "Content-Length: 4", "Content-Length: 5", body=b"xxxxx"))
    requests.append(raw(*lines, "Transfer-Encoding: xchunked"))
    requests.append(raw("GET /none HTTP/1.1", "Host: localhost"))
    requests.append(raw("GET /livez HTTP/1.1", "Host: localhost", "X: " + "a" * 60_000))
    return requests


@dataclass(slots=True)
class _Load:
    port: int
    turns: list[bytes]
    done: int = 0
    statuses: Counter[int] = field(default_factory=Counter)

    async def ask(self, count: int, most_s: float) -> None:
        """Send `count` requests over a few kept connections, or stop after `most_s`."""
        left = itertools.islice(itertools.cycle(self.turns), count)
        until = time.monotonic() + most_s
        await asyncio.gather(*[self._client(left, until) for _ in range(_CLIENTS)])

    async def _client(self, left: "itertools.islice[bytes]", until: float) -> None:
        connection = None
        for request in left:
            if time.monotonic() > until:
                break
            if connection is None:
                connection = await asyncio.open_connection("127.0.0.1", self.port)
            received = await self._exchange(*connection, request)
            self.done += 1
            self.statuses[status_of(received)] += 1
            if b"connection: close" in received.lower() or not received:
                connection[1].close()
                connection = None
        if connection is not None:
            connection[1].close()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
    ) -> bytes:
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            lengths = [
                int(line.partition(b":")[2])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length:")
            ]
            return head + await reader.readexactly(lengths[0] if lengths else 0)
        except (OSError, asyncio.IncompleteReadError):
            return b""


async def _sampled(server: Server, load: _Load, most_s: float) -> list[tuple[int, float]]:
    """Ask, and return the memory (MB) after so many requests, a few times a second."""
    samples = [(0, server.rss_mb())]
    asking = asyncio.create_task(load.ask(_REQUESTS, most_s))
    while not asking.done():
        await asyncio.wait([asking], timeout=_SAMPLE_EVERY_S)
        samples.append((load.done, server.rss_mb()))
    await asking
    return samples


def _slope(points: list[tuple[int, float]]) -> float:
    """Return the slope of the line through points, by least squares."""
    n = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
