"""Answers that a worker thread sends past the event loop, over raw sockets."""

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from service.api import ledger
from service.api.wire import front
from service.api.wire.outlet import Outlet
from tests.support.images import photo
from tests.support.server import LiveServer, serving, settings_for
from tests.support.sessions import gated
from tests.support.waiting import wait_until
from tests.support.wire import (
    answer,
    answers,
    connected,
    connections_of,
    everything,
    head,
    loop_held,
    statuses,
)

PHOTO = photo("blue")
_MOST_S = 30.0


def request(number: int, **headers: str) -> bytes:
    """Return a request to classify whose id is a number."""
    return head(len(PHOTO), X_Request_Id=str(number), **headers) + PHOTO


def ids(found: list[tuple[int, dict[str, Any]]]) -> list[str]:
    return [document["request_id"] for _, document in found]


def counted(server: LiveServer, status: int) -> float:
    """Return how many answers of that status /metrics has counted."""
    start = f'featherbox_requests_total{{model="colours",route="/classify",status="{status}"}} '
    lines = server.client.get("/metrics").text.splitlines()
    return sum(float(line.removeprefix(start)) for line in lines if line.startswith(start))


def answered(server: LiveServer) -> int:
    """Return how many requests are answered, the last ones by worker threads alone."""
    return server.state.total_requests + len(connections_of(server)[0].front.sent)


def test_an_answer_needs_no_event_loop_and_is_counted(server: LiveServer) -> None:
    before = counted(server, 200)
    with gated(server.model()) as session, connected(server) as wire:
        for number in (1, 2):
            wire.sendall(request(number))
            session.wait_for_runs(1)
            with loop_held(server):
                session.gate.set()
                assert ids(answers(wire, 1)) == [str(number)]
            session.gate.clear()
        assert counted(server, 200) == before + 2
        assert server.context.bodies.held_bytes == 0


def test_what_is_sent_ahead_is_answered_in_its_turn(server: LiveServer) -> None:
    with gated(server.model()) as session, connected(server) as wire:
        wire.sendall(request(1))
        session.wait_for_runs(1)
        with loop_held(server):
            wire.sendall(request(2) + request(3, X_Request_Timeout_Ms="x") + request(4))
            session.gate.set()
            assert ids(answers(wire, 1)) == ["1"]
        found = answers(wire, 3)
    assert ids(found) == ["2", "3", "4"]
    assert [status for status, _ in found] == [200, 422, 200]


def test_who_waits_behind_an_answer_need_not_wait_for_the_clock(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front, "_LOOKS_IN_A_LIMIT", 1e-3)
    monkeypatch.setattr(front, "_FEWEST_LOOKS_A_SECOND", 1e-3)
    monkeypatch.setattr(ledger, "_SETTLE_AFTER_S", 1e3)
    with (
        serving(settings_for(server.context.settings.model_repository)) as live,
        gated(live.model()) as session,
        connected(live) as wire,
    ):
        wire.sendall(request(1))
        session.wait_for_runs(1)
        wire.sendall(request(2) + request(3))
        wait_until(lambda: any(len(c.pipeline) == 2 for c in connections_of(live)), "they are read")
        session.gate.set()
        assert ids(answers(wire, 3)) == ["1", "2", "3"]
        wire.sendall(request(4))
        assert ids(answers(wire, 1)) == ["4"]


def test_a_reader_that_is_slow_gets_every_byte_in_order(server: LiveServer) -> None:
    count = 60
    with socket.socket() as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)  # before it is connected
        wire.settimeout(_MOST_S)
        wire.connect(("127.0.0.1", server.port))
        wire.sendall(request(0))
        assert ids(answers(wire, 1)) == ["0"]
        for connection in connections_of(server):
            own_end = connection.transport.get_extra_info("socket")
            own_end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)
        for number in range(count):
            before = answered(server)
            wire.sendall(request(number))
            wait_until(lambda before=before: answered(server) > before, "it is answered")  # type: ignore[misc]
        assert any(c.transport.get_write_buffer_size() for c in connections_of(server))
        assert ids(answers(wire, count)) == [str(number) for number in range(count)]


def test_a_connection_that_is_to_end_ends_after_its_answer(server: LiveServer) -> None:
    with connected(server) as wire:
        wire.sendall(request(1, Connection="close"))
        received = everything(wire)
    assert statuses(received) == [200]
    assert b"connection: close" in received


def test_a_late_answer_is_not_sent_after_the_refusal(server: LiveServer) -> None:
    with gated(server.model()) as session, connected(server) as wire:
        wire.sendall(request(1, X_Request_Timeout_Ms="50"))
        assert answer(wire)[0] == 504
        session.gate.set()
        wait_until(lambda: server.context.pool.in_flight == 0, "the work is done")
        wire.sendall(request(2) + request(3, Connection="close"))
        received = everything(wire)
    assert statuses(received) == [200, 200]


def test_a_client_that_went_after_its_answer_was_answered(server: LiveServer) -> None:
    before, gone = counted(server, 200), counted(server, 499)
    with gated(server.model()) as session, connected(server) as wire:
        wire.sendall(request(1))
        session.wait_for_runs(1)
        with loop_held(server):
            session.gate.set()
            assert answer(wire)[0] == 200
            wire.close()
        wait_until(lambda: counted(server, 200) == before + 1, "it is counted")
    assert counted(server, 499) == gone


def test_a_client_that_went_before_is_not_written_to(server: LiveServer) -> None:
    gone = counted(server, 499)
    with gated(server.model()) as session:
        with connected(server) as wire:
            wire.sendall(request(1))
            session.wait_for_runs(1)
        wait_until(lambda: counted(server, 499) == gone + 1, "it is known to have gone")
        with connected(server) as other:  # may well have the same file number
            other.sendall(request(2))
            session.wait_for_runs(1)
            session.gate.set()
            assert ids(answers(other, 1)) == ["2"]


def test_a_connection_in_work_is_answered_and_closed_at_the_end(server: LiveServer) -> None:
    with gated(server.model()) as session, connected(server) as wire:
        wire.sendall(request(1))
        session.wait_for_runs(1)
        (connection,) = (c for c in connections_of(server) if c.active is not None)
        connection.loop.call_soon_threadsafe(connection.shutdown)
        session.gate.set()
        assert statuses(everything(wire)) == [200]


class Listener(asyncio.Protocol):
    """Says hello past its transport, and looks at its file when the connection is lost."""

    def __init__(self, kept: "asyncio.Future[bool]") -> None:
        self.kept = kept

    def connection_made(self, transport: Any) -> None:
        self.outlet = Outlet(transport, plain=True)
        self.file = transport.get_extra_info("socket").fileno()
        self.opened = os.fstat(self.file)
        self.outlet.lend(self)
        assert self.outlet.write(self, b"hello") == 5
        assert not self.outlet.take_back(self)
        assert self.outlet.write(self, b"again") is None
        self.outlet.lend(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self.kept.set_result(os.path.samestat(os.fstat(self.file), self.opened))
        self.outlet.close()
        assert self.outlet.write(self, b"late") is None


@pytest.mark.parametrize("new_loop", [uvloop.new_event_loop, asyncio.new_event_loop])
def test_a_transport_closes_its_socket_after_it_said_so(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """What `Outlet` relies on: until `connection_lost` is over the file is the connection's."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        kept: asyncio.Future[bool] = loop.create_future()
        server = await loop.create_server(lambda: Listener(kept), "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            assert await reader.readexactly(5) == b"hello"
            writer.close()
            assert await kept
            await writer.wait_closed()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())


def test_nothing_is_written_past_encryption() -> None:
    left, right = socket.socketpair()

    class Transport:
        def get_extra_info(self, _name: str) -> socket.socket:
            return left

    with left, right:
        outlet = Outlet(Transport(), plain=False)
        outlet.lend(right)
        assert outlet.write(right, b"x") is None
        assert outlet.take_back(right)


@pytest.mark.parametrize("room", [False, True])
def test_a_socket_takes_what_it_can_without_waiting(room: bool) -> None:
    left, right = socket.socketpair()

    class Transport:
        def get_extra_info(self, _name: str) -> socket.socket:
            return left

    with left, right:
        left.setblocking(False)
        outlet = Outlet(Transport(), plain=True)
        if not room:
            with pytest.raises(BlockingIOError):
                while True:
                    left.send(bytes(65536))
        outlet.lend(right)
        count = outlet.write(right, bytes(50_000_000))
        assert count is not None
        assert (0 < count < 50_000_000) if room else count == 0
        assert not outlet.take_back(right)
