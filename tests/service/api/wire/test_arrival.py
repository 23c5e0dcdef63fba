"""How long a request waited to be read is known to the kernel, and counts under overload."""

import asyncio
import socket
import time
from typing import Any

import uvloop

from service.api.wire.arrival import ms_since_arrival
from tests.support.images import photo
from tests.support.server import LiveServer, serving, settings_for
from tests.support.waiting import wait_until
from tests.support.wire import answer, connected, connections_of, head, loop_held

PHOTO = photo("blue")
REQUEST = (
    head(len(PHOTO)).replace(b"/classify", b"/classify?model=auto&max_latency_ms=100", 1) + PHOTO
)
_TICKS_MS = 2 * 10.0  # a kernel may have as few as 100 ticks a second
_HELD_S = 0.2


class Reader(asyncio.Protocol):
    """Notes how long its bytes had been there when they were read."""

    def __init__(self) -> None:
        self.found: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, _data: bytes) -> None:
        self.found.set_result(ms_since_arrival(self.transport))


async def read_late(pair: tuple[socket.socket, socket.socket]) -> tuple[float, float]:
    """Read bytes that have waited; return how long by the kernel and by our clock, ms."""
    theirs, mine = pair
    _, reader = await asyncio.get_running_loop().connect_accepted_socket(Reader, mine)
    theirs.sendall(b"x")
    sent = time.perf_counter()
    time.sleep(_HELD_S)  # busy, as a loop under overload
    found = await reader.found
    reader.transport.close()
    return found, (time.perf_counter() - sent) * 1e3


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        return theirs, listener.accept()[0]


def test_bytes_that_waited_tell_how_long() -> None:
    pair = tcp_pair()
    with pair[0]:
        found, waited = uvloop.run(read_late(pair))
    assert _HELD_S * 1e3 - _TICKS_MS <= found <= waited + _TICKS_MS


def test_of_a_unix_socket_nobody_knows() -> None:
    pair = socket.socketpair()
    with pair[0]:
        assert uvloop.run(read_late(pair))[0] == 0.0


def test_under_overload_a_promise_that_was_broken_unread_is_not_begun(server: LiveServer) -> None:
    settings = settings_for(server.context.settings.model_repository)

    def ask_while_held(wire: socket.socket) -> int:
        with loop_held(live):
            wire.sendall(REQUEST)
            sent = time.monotonic()
            wait_until(lambda: time.monotonic() - sent > _HELD_S, "the promise is broken")
        return answer(wire)[0]

    with serving(settings) as live, connected(live) as wire:
        wire.sendall(REQUEST)
        assert answer(wire)[0] == 200
        assert ask_while_held(wire) == 200
        turns = connections_of(live)[0].front._turns
        turns.patient = True  # as after a refusal, without its end in a second
        assert ask_while_held(wire) == 503
