"""What is no request, or could be read as two, is a problem document and the connection's end."""

from typing import Any

import pytest

from tests.support.images import photo
from tests.support.server import LiveServer
from tests.support.sessions import gated
from tests.support.waiting import wait_until
from tests.support.wire import answer, answers, connected, everything, head, statuses

PHOTO = photo("blue")
ONE = head(len(PHOTO)) + PHOTO


def post(*lines: str, body: bytes = b"") -> bytes:
    text = ["POST /classify HTTP/1.1", *lines, "", ""]
    return "\r\n".join(text).encode("latin-1") + body


HOST = "Host: localhost"
MALFORMED = {
    "both lengths": post(
        HOST, "Content-Length: 4", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"
    ),
    "two lengths": post(HOST, "Content-Length: 4", "Content-Length: 5", body=b"xxxxx"),
    "the same length twice": post(HOST, "Content-Length: 1", "Content-Length: 1", body=b"x"),
    "a signed length": post(HOST, "Content-Length: +4", body=b"xxxx"),
    "a negative length": post(HOST, "Content-Length: -1"),
    "an unknown coding": post(HOST, "Transfer-Encoding: xchunked"),
    "a coding before the last": post(HOST, "Transfer-Encoding: chunked, gzip"),
    "no host": post("Content-Length: 0"),
    "two hosts": post(HOST, "Host: other", "Content-Length: 0"),
    "two types": post(HOST, "Content-Type: a/b", "Content-Type: c/d", "Content-Length: 0"),
    "a control character": post(HOST, "X: a\x01b", "Content-Length: 0"),
    "a zero byte": post(HOST, "X: a\x00b", "Content-Length: 0"),
    "a bare line feed": post(HOST, "X: a\nY: b", "Content-Length: 0"),
    "a space before the colon": post(HOST, "X : a", "Content-Length: 0"),
    "a header of no name": post(HOST, ": a", "Content-Length: 0"),
    "a folded header": post(HOST, "X: a", " b", "Content-Length: 0"),
    "an upgrade": post(HOST, "Connection: upgrade", "Upgrade: h2c", "Content-Length: 0"),
    "a bad chunk": post(HOST, "Transfer-Encoding: chunked", body=b"zz\r\n"),
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "an odd version": b"GET / HTTP/1.7\r\nHost: x\r\n\r\n",
    "an odd method": b"FETCH / HTTP/1.1\r\nHost: x\r\n\r\n",
    "an odd target": b"GET @evil/h HTTP/1.1\r\nHost: x\r\n\r\n",
    "a tunnel": b"CONNECT evil:443 HTTP/1.1\r\nHost: evil:443\r\n\r\n",
    "text": b"hello\r\n\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_malformed_is_a_problem_and_the_end(server: LiveServer, name: str) -> None:
    with connected(server) as wire:
        wire.sendall(MALFORMED[name])
        received = everything(wire)
    assert statuses(received) == [400]
    assert b"content-type: application/problem+json" in received
    assert b"connection: close" in received
    assert b'"code":"malformed_request"' in received
    assert b"x-request-id: " in received


def test_it_is_logged_and_counted(server: LiveServer) -> None:
    def counted() -> str:
        text = server.client.get("/metrics").text
        return next((x for x in text.splitlines() if 'code="malformed_request"' in x), "")

    before = counted()
    with connected(server) as wire:
        wire.sendall(MALFORMED["text"])
        everything(wire)
    assert counted() != before


def test_an_encoded_body_is_refused(server: LiveServer) -> None:
    for path in ("/classify", "/classify/batch"):
        request = head(len(PHOTO), Content_Encoding="gzip").replace(b"/classify", path.encode())
        with connected(server) as wire:
            wire.sendall(request + PHOTO)
            assert answer(wire)[1]["code"] == "unsupported_media_type"


def test_requests_sent_ahead_are_answered_in_their_order(server: LiveServer) -> None:
    colours = ("red", "green", "blue", "red")
    bodies = [photo(colour) for colour in colours]
    livez = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connected(server) as wire:
        wire.sendall(b"".join(head(len(body)) + body + livez for body in bodies))
        found = [document for _, document in answers(wire, 2 * len(colours))]
    assert [document["predictions"][0]["label"] for document in found[::2]] == list(colours)
    assert found[1::2] == [{"live": True}] * len(colours)


def test_what_is_malformed_waits_for_the_answers_before_it(server: LiveServer) -> None:
    with connected(server) as wire:
        wire.sendall(ONE + ONE + MALFORMED["text"])
        assert statuses(everything(wire)) == [200, 200]


def test_too_many_requests_sent_ahead_are_not_kept(server: LiveServer) -> None:
    with gated(server.model()) as session, connected(server) as wire:
        wire.sendall(ONE)
        session.wait_for_runs(1)
        wire.sendall(head(0) * 500)
        connections: Any = server.state.connections
        wait_until(lambda: any(c.pipeline for c in connections), "they are read")
        session.gate.set()
        found = statuses(everything(wire))
    assert found[0] == 200
    assert set(found[1:]) == {400}
    assert len(found) <= 20


def test_refusals_of_requests_sent_ahead_keep_the_connection(server: LiveServer) -> None:
    with connected(server) as wire:
        for _ in range(100):
            wire.sendall(head(0) * 10)
            assert {document["code"] for _, document in answers(wire, 10)} == {"empty_body"}


def test_the_rest_of_a_refused_body_is_read_for_the_next_request(server: LiveServer) -> None:
    refused = ONE.replace(b"/classify", b"/classify?model=none")
    with connected(server) as wire:
        wire.sendall(refused[:-20])
        assert answer(wire)[0] == 404
        wire.sendall(refused[-20:] + ONE)
        assert answer(wire)[0] == 200


def test_a_large_refused_body_ends_the_connection_and_loses_no_answer(server: LiveServer) -> None:
    with connected(server) as wire:
        wire.sendall(head(30_000_000))
        for _ in range(30):
            wire.sendall(bytes(100_000))
        received = everything(wire)
    assert statuses(received) == [413]
    assert b"connection: close" in received


def test_a_body_that_is_not_asked_for_ends_the_connection(server: LiveServer) -> None:
    request = head(len(PHOTO), Expect="100-continue").replace(b"/classify", b"/classify?top_k=0")
    with connected(server) as wire:
        wire.sendall(request)
        assert statuses(everything(wire)) == [422]


def test_connection_close_is_obeyed(server: LiveServer) -> None:
    with connected(server) as wire:
        wire.sendall(head(len(PHOTO), Connection="close") + PHOTO)
        received = everything(wire)
    assert statuses(received) == [200]
    assert b"connection: close" in received


def test_http_1_0_is_answered_and_closed(server: LiveServer) -> None:
    with connected(server) as wire:
        wire.sendall(ONE.replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert statuses(everything(wire)) == [200]
