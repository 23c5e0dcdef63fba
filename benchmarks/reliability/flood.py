"""A flood: an open loop from a process of its own, whose every answer is kept, and a side probe."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import uvloop

from benchmarks.open_loop import Connection
from benchmarks.processes import in_own_process
from benchmarks.reliability.serving import on_cpu
from benchmarks.summary import percentile

IN_TIME_MS = 1000.0
_MOST_CONNECTIONS = 512
_ANSWER_WITHIN_S = 15.0
_PROBE_EVERY_S = 0.05
_PROBES = (b"/livez", b"/readyz")


class Answered(NamedTuple):
    """One answer: when its request was due, s after the start, how late it was sent, how long."""

    kind: int  # which of the kinds of requests
    due_s: float
    late_ms: float
    ms: float
    status: int
    complete: bool  # JSON, and if it is 503 with Retry-After


@dataclass(slots=True)
class Flood:
    """What came of a flood."""

    seconds: float
    sent: int = 0
    answers: list[Answered] = field(default_factory=list)
    broken: int = 0  # resets and closed connections
    unanswered: int = 0  # within 15 s
    unsent: int = 0  # all 512 connections were busy
    probes_ms: list[float] = field(default_factory=list)
    probes_failed: int = 0

    def goodput(self) -> float:
        """200 answers a second that came within a second of their time."""
        good = [a for a in self.answers if a.status == 200 and a.late_ms + a.ms <= IN_TIME_MS]
        last = max((a.due_s + (a.late_ms + a.ms) / 1e3 for a in good), default=0.0)
        return len(good) / max(self.seconds, last)

    def count(self, status: int) -> int:
        """Count the answers of one status."""
        return sum(a.status == status for a in self.answers)

    def p99_ms(self, status: int, kind: int | None = None) -> float:
        """Return the 99th percentile of one status, from sending to the answer; 0 if none."""
        times = [a.ms for a in self.answers if a.status == status and kind in {None, a.kind}]
        return percentile(times, 0.99) if times else 0.0

    def lateness_ms(self) -> float:
        """Return how late the generator itself was, 99th percentile."""
        return percentile([a.late_ms for a in self.answers], 0.99) if self.answers else 0.0


def flood(
    port: int, kinds: Sequence[Sequence[bytes]], per_s: float, seconds: float, *, cpu: int | None
) -> Flood:
    """Start `per_s` requests a second for `seconds`, then wait for the answers.

    Args:
        port: of a server on loopback.
        kinds: whole requests, sent in turn of the kinds, and in turn within each.
        per_s: rate.
        seconds: how long.
        cpu: where the generator runs, by its place; None is anywhere.
    """
    with on_cpu(cpu):
        return in_own_process(_run, port, [list(kind) for kind in kinds], per_s, seconds)


def _run(port: int, kinds: list[list[bytes]], per_s: float, seconds: float) -> Flood:
    return uvloop.run(_Clients(port, Flood(seconds)).send(kinds, per_s))


@dataclass(slots=True)
class _Clients:
    port: int
    flood: Flood
    idle: list[Connection] = field(default_factory=list)
    connections: int = 0

    async def send(self, kinds: list[list[bytes]], per_s: float) -> Flood:
        turns = [itertools.cycle(kind) for kind in kinds]
        started = time.perf_counter()
        probing = asyncio.create_task(self._probe())
        tasks = []
        for turn in range(int(per_s * self.flood.seconds)):
            due = turn / per_s
            await asyncio.sleep(max(0.0, started + due - time.perf_counter()))
            kind = turn % len(kinds)
            tasks.append(asyncio.create_task(self._one(kind, next(turns[kind]), started, due)))
        self.flood.sent = len(tasks)
        await asyncio.gather(*tasks)
        probing.cancel()
        for connection in self.idle:
            connection.close()
        return self.flood

    async def _one(self, kind: int, request: bytes, started: float, due: float) -> None:
        try:
            connection = await self._take()
        except OSError:
            self.flood.broken += 1
            return
        if connection is None:
            self.flood.unsent += 1
            return
        sent = time.perf_counter()
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                answer = await connection.post(request)
        except TimeoutError:
            self.flood.unanswered += 1
            self.connections -= 1
            connection.close()
            return
        except OSError:
            self.flood.broken += 1
            self.connections -= 1
            return
        ms = (time.perf_counter() - sent) * 1e3
        head = answer.head.lower()
        complete = b"json" in head and (answer.status != 503 or b"\r\nretry-after:" in head)
        late_ms = (sent - started - due) * 1e3
        self.flood.answers.append(Answered(kind, due, late_ms, ms, answer.status, complete))
        self.idle.append(connection)

    async def _take(self) -> Connection | None:
        while self.idle:
            connection = self.idle.pop()
            if connection.usable:
                return connection
            self.connections -= 1
        if self.connections >= _MOST_CONNECTIONS:
            return None
        self.connections += 1
        return await self._connect()

    async def _connect(self) -> Connection:
        _, connection = await asyncio.get_running_loop().create_connection(
            Connection, "127.0.0.1", self.port
        )
        return connection

    async def _probe(self) -> None:
        """Ask for health all the while, on a connection of its own."""
        with contextlib.suppress(OSError):
            connection = await self._connect()
            for path in itertools.cycle(_PROBES):
                started = time.perf_counter()
                try:
                    async with asyncio.timeout(_ANSWER_WITHIN_S):
                        answer = await connection.post(
                            b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path
                        )
                    self.flood.probes_failed += answer.status != 200
                except (OSError, TimeoutError):
                    self.flood.probes_failed += 1
                    connection = await self._connect()
                self.flood.probes_ms.append((time.perf_counter() - started) * 1e3)
                await asyncio.sleep(_PROBE_EVERY_S)
