"""Time and size limits of a connection, over raw sockets."""

import socket
from collections.abc import Iterator

import pytest

from service.api.wire import connection
from tests.support.images import photo
from tests.support.server import LiveServer, serving, settings_for
from tests.support.sessions import gated
from tests.support.waiting import wait_until
from tests.support.wire import answer, answers, connected, everything, head, statuses

PHOTO = photo("blue")
GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def hasty(server: LiveServer) -> Iterator[LiveServer]:
    """Return a server with short limits."""
    settings = settings_for(
        server.context.settings.model_repository,
        header_timeout_s=0.15, body_timeout_s=0.15, keep_alive_timeout_s=0.15, send_timeout_s=0.15,
    )  # fmt: skip
    with serving(settings) as live:
        yield live


def trickle(wire: socket.socket, data: bytes) -> bytes:
    """Send byte by byte, over and over, until the server answers or closes; return the answer."""
    wire.settimeout(0.005)
    while True:
        for byte in data:
            try:
                wire.sendall(bytes([byte]))
                received = wire.recv(65536)
            except TimeoutError:
                continue
            wire.settimeout(20)
            return received + everything(wire)


def test_a_silent_connection_is_closed(hasty: LiveServer) -> None:
    with connected(hasty) as wire:
        assert everything(wire) == b""


@pytest.mark.parametrize("sent", [b"G", GET, head(10)[:-2], b"POST /classify HTTP/1.1\r\nX: "])
def test_a_head_that_stops_arriving_is_given_up(hasty: LiveServer, sent: bytes) -> None:
    with connected(hasty) as wire:
        wire.sendall(sent)
        status, document = answer(wire)
        assert (status, document["code"]) == (408, "head_too_slow")
        assert everything(wire) == b""


@pytest.mark.parametrize("drip", [b"x", b"X: y\r\n"])
def test_a_head_that_trickles_is_given_up(hasty: LiveServer, drip: bytes) -> None:
    with connected(hasty) as wire:
        wire.sendall(GET)
        assert statuses(trickle(wire, drip)) == [408]


def test_line_breaks_before_a_request_keep_no_connection(hasty: LiveServer) -> None:
    with connected(hasty) as wire:
        assert trickle(wire, b"\r\n") == b""


@pytest.mark.parametrize("path", ["/classify", "/classify/batch", "/livez", "/none"])
def test_a_body_that_trickles_is_given_up(hasty: LiveServer, path: str) -> None:
    request = head(1_000_000).replace(b"/classify", path.encode())
    with connected(hasty) as wire:
        wire.sendall(request)
        found = statuses(trickle(wire, b"x"))
    # where no body is wanted, the answer does not wait for it
    assert found == [{"/classify": 408, "/classify/batch": 408, "/livez": 405}.get(path, 404)]


def test_an_idle_connection_is_closed(hasty: LiveServer) -> None:
    with connected(hasty) as wire:
        wire.sendall(GET + b"\r\n")
        assert statuses(everything(wire)) == [200]


def test_a_request_in_work_is_not_idle(hasty: LiveServer) -> None:
    with connected(hasty) as slow, connected(hasty) as idle, gated(hasty.model()) as session:
        slow.sendall(head(len(PHOTO)) + PHOTO)
        session.wait_for_runs(1)
        assert everything(idle) == b""  # its time is over by now, and so would be the other's
        session.gate.set()
        assert answer(slow)[0] == 200


def test_others_are_answered_beside_hundreds_of_slow_ones(server: LiveServer) -> None:
    wires = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
    try:
        for number, wire in enumerate(wires):
            wire.sendall((b"", b"POST /classify HT", head(9_000_000) + b"x" * 10)[number % 3])
        for colour in ("red", "green", "blue"):
            assert server.classify(photo(colour)).json()["predictions"][0]["label"] == colour
    finally:
        for wire in wires:
            wire.close()


def test_a_client_that_reads_no_answers_is_dropped(hasty: LiveServer) -> None:
    with connected(hasty) as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        request = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
        with pytest.raises(OSError):
            while True:
                wire.sendall(request * 16)
    assert hasty.client.get("/livez").is_success


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([f"X-{i}: y" for i in range(97)], 200),
        ([f"X-{i}: y" for i in range(101)], 431),
        (["X: " + "y" * 31_000], 200),
        (["X: " + "y" * 33_000], 431),
        (["X" * 33_000 + ": y"], 431),
        ([f"X-{i}: " + "y" * 1000 for i in range(40)], 431),
    ],
    ids=["many", "too many", "long", "too long", "a long name", "long together"],
)
@pytest.mark.parametrize("pieces", [1, 9])
def test_a_head_is_bounded(server: LiveServer, lines: list[str], status: int, pieces: int) -> None:
    text = "\r\n".join(["GET /livez HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()
    step = -(-len(text) // pieces)
    with connected(server) as wire:
        for start in range(0, len(text), step):
            wire.sendall(text[start : start + step])
        found, document = answer(wire)
    assert found == status
    assert document.get("code") == (None if status == 200 else "head_too_large")


def test_a_target_counts_as_part_of_the_head(server: LiveServer) -> None:
    with connected(server) as wire:
        wire.sendall(b"GET /" + b"x" * 40_000)
        assert answer(wire)[0] == 431


@pytest.mark.parametrize(
    "endless",
    [b"5;" + b"x" * 100_000, b"1\r\nx\r\n0\r\n" + b"X: y\r\n" * 20_000],
    ids=["extension", "trailers"],
)
def test_framing_without_end_is_refused(server: LiveServer, endless: bytes) -> None:
    with connected(server) as wire:
        wire.sendall(head(Transfer_Encoding="chunked"))
        for start in range(0, len(endless), 10_000):
            wire.sendall(endless[start : start + 10_000])
        status, document = answer(wire)
    assert (status, document["code"]) == (400, "malformed_request")


def test_a_chunked_body_is_bounded_like_any_other(server: LiveServer) -> None:
    chunk = b"%x\r\n%b\r\n" % (1_000_000, bytes(1_000_000))
    with connected(server) as wire:
        wire.sendall(head(Transfer_Encoding="chunked"))
        for _ in range(21):
            wire.sendall(chunk)
        status, document = answer(wire)
    assert (status, document["code"]) == (413, "body_too_large")


def test_limits_leave_no_connection_behind(hasty: LiveServer) -> None:
    wires = [socket.create_connection(("127.0.0.1", hasty.port)) for _ in range(20)]
    wait_until(lambda: hasty.connections >= 20, "they are connected")
    wait_until(lambda: hasty.connections == 0, "they are closed")
    for wire in wires:
        wire.close()


def test_who_is_tiring_to_read_lets_others_go_first_and_is_answered(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_MANY_PIECES", 0)  # a single one is
    tiny = b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\n"
    chunked = head(Transfer_Encoding="chunked") + tiny
    for path in (b"/classify", b"/classify/batch", b"/nothing"):
        with connected(server) as wire:
            wire.sendall(chunked.replace(b"/classify", path) + head(len(PHOTO)) + PHOTO)
            found = [status for status, _ in answers(wire, 2)]
        assert found[0] in {404, 415}
        assert found[1] == 200
