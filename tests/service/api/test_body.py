"""Bodies that arrive slowly, in pieces, or not at all."""

import logging
from pathlib import Path

import pytest

from tests.support.images import photo
from tests.support.server import LiveServer, serving, settings_for
from tests.support.waiting import wait_until
from tests.support.wire import answer, connected, head

PHOTO = photo("blue")


def test_a_body_that_stops_arriving_is_given_up(repository: Path) -> None:
    with serving(settings_for(repository, body_timeout_s=0.1)) as live, connected(live) as wire:
        wire.sendall(head(len(PHOTO)) + PHOTO[:10])
        status, document = answer(wire)
    assert (status, document["code"]) == (408, "body_too_slow")


def test_a_body_of_one_byte_chunks_is_read(server: LiveServer) -> None:
    with connected(server) as wire:
        chunks = b"".join(b"1\r\n" + bytes([byte]) + b"\r\n" for byte in PHOTO)
        wire.sendall(head(Transfer_Encoding="chunked") + chunks + b"0\r\n\r\n")
        status, document = answer(wire)
    assert status == 200
    assert document["predictions"][0]["label"] == "blue"


def test_a_body_in_two_pieces_is_read(server: LiveServer) -> None:
    with connected(server) as wire:
        wire.sendall(head(len(PHOTO)) + PHOTO[:10])
        assert server.client.get("/livez").is_success  # others are answered meanwhile
        wire.sendall(PHOTO[10:])
        status, document = answer(wire)
    assert status == 200
    assert document["timings_ms"]["total"] > 0


def test_too_long_a_body_is_refused_without_asking_for_it(server: LiveServer) -> None:
    with connected(server) as wire:
        wire.sendall(head(30_000_000, Expect="100-continue"))
        status, document = answer(wire)
    assert (status, document["code"]) == (413, "body_too_large")


def test_a_body_that_is_wanted_is_asked_for(server: LiveServer) -> None:
    with connected(server) as wire:
        wire.sendall(head(len(PHOTO), Expect="100-continue"))
        assert wire.recv(100).startswith(b"HTTP/1.1 100 ")
        wire.sendall(PHOTO)
        assert answer(wire)[0] == 200


@pytest.mark.parametrize(
    "announced", ["-1", "+5", "5, 5", "x", "99999999999999999999999"], ids=repr
)
def test_a_length_that_is_no_length_is_refused(server: LiveServer, announced: str) -> None:
    with connected(server) as wire:
        wire.sendall(head(Content_Length=announced) + PHOTO)
        assert wire.recv(100).startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 413 "))


def test_a_client_that_leaves_during_its_body_is_no_bug(
    server: LiveServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "featherbox.access")
    with connected(server) as wire:
        wire.sendall(head(len(PHOTO), X_Request_Id="gone-away") + PHOTO[:10])

    def logged() -> list[str]:
        fields = [getattr(record, "fields", {}) for record in caplog.records]
        return [f["code"] for f in fields if f.get("request_id") == "gone-away"]

    wait_until(lambda: bool(logged()), "the request is logged")
    assert logged() == ["malformed_request"]


def test_requests_on_one_connection_do_not_mix(server: LiveServer) -> None:
    with connected(server) as wire:
        for colour in ("red", "green", "blue"):
            data = photo(colour)
            wire.sendall(head(len(data)) + data)
            assert answer(wire)[1]["predictions"][0]["label"] == colour
