"""Rows 9 and 14: clients that never finish, and bodies that are tiring to read."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.closed_loop import closed_loop
from benchmarks.photos import make_photos
from benchmarks.reliability.files.forms import BOUNDARY, CONTENT_TYPE, part
from benchmarks.reliability.row import Faults, Options, Outcome
from benchmarks.reliability.serving import MODEL, on_cpu, serving
from benchmarks.server import request
from benchmarks.traffic import Traffic

_SILENT, _SLOW_HEADS, _SLOW_BODIES = 200, 200, 50
_CLOSED_WITHIN_S = 15.0
_HEAD = b"POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
_ANSWER_WITHIN_S = 30.0


def slow_sockets(options: Options) -> Outcome:
    """Row 9."""
    traffic = Traffic(tuple(make_photos(20)))
    seconds = min(options.seconds, 9.0)  # they are ended after 10
    with serving(options.repository, cpu=0, models=MODEL, log_level="warning") as server, on_cpu(1):
        closed_loop(server.port, traffic, 4, 1)
        alone = closed_loop(server.port, traffic, 4, seconds).per_s
        beside, health, closed = asyncio.run(_beside(server.port, traffic, seconds))
    held = _SILENT + _SLOW_HEADS + _SLOW_BODIES
    late = held - sum(after <= _CLOSED_WITHIN_S for after in closed)
    return Outcome(
        f"goodput {beside / alone:.2f} of {alone:.0f}/s; health failed {health}; {late} open "
        f"after {_CLOSED_WITHIN_S:g} s",
        "at least 0.90; 0; 0",
        beside >= 0.9 * alone and health == 0 and late == 0,
        note=f"{held} sockets, the last one closed after {max(closed, default=0):.1f} s",
    )


async def _beside(port: int, traffic: Traffic, seconds: float) -> tuple[float, int, list[float]]:
    """Return goodput and failed health checks beside slow sockets, and when those were closed."""
    holding = [
        asyncio.create_task(_hold(port, first, trickles))
        for count, first, trickles in (
            (_SILENT, b"", False),
            (_SLOW_HEADS, b"P", True),
            (_SLOW_BODIES, _HEAD + b"Content-Length: 100000\r\n\r\n", True),
        )
        for _ in range(count)
    ]
    await asyncio.sleep(0.3)
    load = asyncio.create_task(asyncio.to_thread(closed_loop, port, traffic, 4, seconds))
    failed = 0
    while not load.done():
        status, _ = await asyncio.to_thread(request, port, "GET", "/livez")
        failed += status != 200
        await asyncio.sleep(0.1)
    closed = await asyncio.gather(*holding)
    return (await load).per_s, failed, list(closed)


async def _hold(port: int, first: bytes, trickles: bool) -> float:
    """Send a byte a second, or nothing; return the seconds until the server has closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    started = time.monotonic()
    writer.write(first)
    reading = asyncio.create_task(_until_closed(reader))
    while not reading.done() and time.monotonic() - started < _CLOSED_WITHIN_S + 5:
        await asyncio.wait([reading], timeout=1.0)
        if trickles and not reading.done():
            with contextlib.suppress(OSError):
                writer.write(b"x")
    writer.close()
    reading.cancel()
    return time.monotonic() - started if reading.done() else float("inf")


async def _until_closed(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(OSError):
        while await reader.read(65536):
            pass


@dataclass(slots=True)
class LoopLag:
    """How long /livez takes meanwhile, the largest of all probes, ms."""

    port: int
    worst_ms: float = 0.0
    failed: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def measured(self) -> Iterator[None]:
        """Probe every 10 ms until the block ends."""
        thread = threading.Thread(target=self._probe)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _probe(self) -> None:
        while not self._stop.wait(0.01):
            started = time.perf_counter()
            status, _ = request(self.port, "GET", "/livez")
            self.failed += status != 200
            self.worst_ms = max(self.worst_ms, (time.perf_counter() - started) * 1e3)


def tiring_bodies(options: Options) -> Outcome:
    """Row 14."""
    faults, slowest, worst = Faults(), ("", 0.0), ("", 0.0)
    with serving(options.repository, models=MODEL, log_level="warning") as server:
        for name, sent in _tiring():
            lag = LoopLag(server.port)
            with lag.measured():
                status, seconds = _send(server.port, sent)
            slowest = max(slowest, (name, seconds), key=lambda pair: pair[1])
            worst = max(worst, (name, lag.worst_ms), key=lambda pair: pair[1])
            faults.check(name, seconds <= 5 and (status == 0 or 400 <= status < 500), status)
            faults.check(f"{name}, health", not lag.failed, lag.failed)
    return Outcome(
        f"slowest {slowest[1]:.1f} s, health within {worst[1]:.0f} ms, {len(faults.names)} wrong",
        "4xx or closed within 5 s, lag at most 100 ms",
        slowest[1] <= 5 and worst[1] <= 100 and not faults.names,
        note=f"longest lag: {worst[0]}; slowest: {slowest[0]}; {faults.note()}",
    )


def _tiring() -> Iterator[tuple[str, bytes]]:
    yield "a million chunks of a byte", _chunked(b"1\r\nx\r\n" * 1_000_000 + b"0\r\n\r\n")
    image = part(b"x", 'name="image"; filename="a.png"')
    end = f"--{BOUNDARY}--\r\n".encode()
    yield "a preamble of 1 MB", _form(b"x" * 1_000_000 + b"\r\n" + image + end)
    yield "an epilogue of 1 MB", _form(image + end + b"x" * 1_000_000)
    yield "1,001 parts", _form(part(b"x", 'name="a"') * 1001 + end)
    yield "100,000 parts", _form(part(b"", 'name="a"') * 100_000 + end)
    yield "line ends alone", _form(b"\r\n" * 500_000)


def _chunked(body: bytes) -> bytes:
    return _HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body


def _form(body: bytes) -> bytes:
    head = f"POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: {CONTENT_TYPE}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _send(port: int, data: bytes) -> tuple[int, float]:
    """Send a request; return the answer's status (0: closed without one) and the seconds."""
    started, received = time.monotonic(), b""
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", port), _ANSWER_WITHIN_S) as connection,
    ):
        with contextlib.suppress(OSError):
            connection.sendall(data)
        received = connection.recv(4096)
    status = int(received.split(b" ", 2)[1]) if received.startswith(b"HTTP/") else 0
    return status, time.monotonic() - started
