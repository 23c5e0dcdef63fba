"""The memory of bodies: bounded over all requests, by what has arrived of them."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from service.api.held import HeldBodies
from service.api.record import RequestRecord
from service.errors import Overloaded
from tests.support.images import photo
from tests.support.server import LiveServer, serving, settings_for
from tests.support.sessions import gated
from tests.support.waiting import wait_until
from tests.support.wire import answer, connected, head


def test_what_does_not_fit_beside_others_is_refused_and_what_is_alone_fits() -> None:
    bodies = HeldBodies(100)
    first, second = RequestRecord("a"), RequestRecord("b")
    bodies.check(b"1000")
    bodies.hold(first, 150)
    for announced in (b"", b"1", b"1000"):
        with pytest.raises(Overloaded):
            bodies.check(announced)
    with pytest.raises(Overloaded):
        bodies.hold(second, 1)
    bodies.release(second)
    bodies.release(first)
    assert bodies.held_bytes == 0
    bodies.hold(second, 60)
    bodies.check(b"40")
    with pytest.raises(Overloaded):
        bodies.check(b"41")


@pytest.mark.parametrize("path", ["/classify", "/classify/batch"])
def test_a_body_that_does_not_fit_beside_others_is_refused(repository: Path, path: str) -> None:
    settings = settings_for(repository, max_held_bytes=150_000)
    with serving(settings) as live, ExitStack() as stack:
        for _ in range(2):
            wire = stack.enter_context(connected(live))
            wire.sendall(head(80_000) + bytes(60_000))
        wait_until(lambda: live.context.bodies.held_bytes == 120_000, "both have begun")
        assert "featherbox_held_body_bytes 120000.0" in live.client.get("/metrics").text
        last = stack.enter_context(connected(live))
        last.sendall(head(60_000).replace(b"/classify", path.encode()))
        status, document = answer(last)
        assert (status, document["code"]) == (503, "overloaded")
        assert "memory" in document["detail"]
        with connected(live) as chunked:
            request = head(Transfer_Encoding="chunked").replace(b"/classify", path.encode())
            chunked.sendall(request + b"%x\r\n" % 40_000 + bytes(40_000) + b"\r\n")
            assert answer(chunked)[1]["code"] == "overloaded"
        assert live.classify_raw(photo("red")).is_success
        stack.close()
        wait_until(lambda: live.context.bodies.held_bytes == 0, "all is let go of")


def test_what_is_announced_and_not_sent_keeps_nobody_out(server: LiveServer) -> None:
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(connected(server)).sendall(head(19_000_000))
        assert server.classify_raw(photo("red")).is_success


def test_a_body_is_held_until_its_answer(server: LiveServer) -> None:
    data = photo("blue")
    with gated(server.model()) as session, connected(server) as wire:
        wire.sendall(head(len(data)) + data)
        session.wait_for_runs(1)
        assert server.context.bodies.held_bytes == len(data)
        session.gate.set()
        assert answer(wire)[0] == 200
    wait_until(lambda: server.context.bodies.held_bytes == 0, "it is let go of")
