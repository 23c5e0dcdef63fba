"""Open loop: requests start at their appointed times, whether or not earlier ones were answered.

This is how many independent clients behave, and the only loop that shows overload. Latency is
counted from the appointed time, so a late answer is not hidden by a request that waited for it.
Runs in a process of its own, in Python: about 0.1 ms of CPU a request.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import uvloop

from benchmarks.processes import in_own_process
from benchmarks.raw_client import content_length
from benchmarks.traffic import LoadResult, Traffic, load_result

_MOST_CONNECTIONS = 512
_ANSWER_WITHIN_S = 15.0


def open_loop(port: int, traffic: Traffic, per_s: float, seconds: float) -> LoadResult:
    """Start `per_s` requests a second for `seconds`, then wait for the answers.

    A request that finds all 512 connections busy, or has no answer after 15 s, has failed.
    """
    return in_own_process(_run, port, traffic, per_s, seconds)


def _run(port: int, traffic: Traffic, per_s: float, seconds: float) -> LoadResult:
    return uvloop.run(_Clients(port).post(traffic.requests(), per_s, seconds))


class Reply(NamedTuple):
    """An answer: its status and its head."""

    status: int
    head: bytes


class Connection(asyncio.Protocol):
    """One kept-alive connection with one request at a time on it."""

    def __init__(self) -> None:
        self.usable = True
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Reply] | None = None
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has another base

    def connection_lost(self, error: Exception | None) -> None:
        self.usable = False
        if self._answer and not self._answer.done():
            self._answer.set_exception(error or ConnectionError("closed"))

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        if not found or self._answer is None or self._answer.done():
            return
        lines = head.split(b"\r\n")
        if len(body) >= content_length(lines):
            self._data = b""
            self._answer.set_result(Reply(int(lines[0].split(b" ", 2)[1]), head))

    def post(self, request: bytes) -> "asyncio.Future[Reply]":
        """Send a request; the future is its answer."""
        assert self._transport
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def close(self) -> None:
        """Close the connection."""
        self.usable = False
        if self._transport:
            self._transport.close()


@dataclass(slots=True)
class _Clients:
    """The connections, and what came back over them."""

    port: int
    idle: list[Connection] = field(default_factory=list)
    connections: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    refused: int = 0
    failed: int = 0

    async def post(self, requests: Sequence[bytes], per_s: float, seconds: float) -> LoadResult:
        """Start the requests at their times and gather the answers."""
        started = time.perf_counter()
        tasks = []
        for turn in range(int(per_s * seconds)):
            due = started + turn / per_s
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(self._post_one(requests[turn % len(requests)], due)))
        await asyncio.gather(*tasks)
        for connection in self.idle:
            connection.close()
        return load_result(seconds, self.latencies_ms, self.refused, self.failed)

    async def _post_one(self, request: bytes, due: float) -> None:
        try:
            connection = await self._take()
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                status = (await connection.post(request)).status
        except (OSError, TimeoutError):
            self.failed += 1
            return
        if 200 <= status < 300:
            self.latencies_ms.append((time.perf_counter() - due) * 1e3)
        else:
            self.refused += 1
        self.idle.append(connection)

    async def _take(self) -> Connection:
        while self.idle:
            connection = self.idle.pop()
            if connection.usable:
                return connection
            self.connections -= 1
        if self.connections >= _MOST_CONNECTIONS:
            raise ConnectionError("all connections are busy")
        self.connections += 1
        _, connection = await asyncio.get_running_loop().create_connection(
            Connection, "127.0.0.1", self.port
        )
        return connection
