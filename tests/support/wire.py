"""HTTP by hand, for what no client library sends."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from typing import Any

from service.api.wire.connection import Connection
from tests.support.server import LiveServer

_TIMEOUT_S = 20.0
_HELD_AT_MOST_S = 30.0


@contextmanager
def connected(server: LiveServer) -> Iterator[socket.socket]:
    """Return a connection to the server."""
    with socket.create_connection(("127.0.0.1", server.port), _TIMEOUT_S) as connection:
        yield connection


def connections_of(server: LiveServer) -> tuple[Connection, ...]:
    """Return the server's connections."""
    connections: Any = server.state.connections
    return tuple(connections)


@contextmanager
def loop_held(server: LiveServer) -> Iterator[None]:
    """Keep the server's event loop from doing anything; it needs a connection."""
    connection = connections_of(server)[0]
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        assert go_on.wait(_HELD_AT_MOST_S)

    connection.loop.call_soon_threadsafe(hold)
    assert held.wait(_HELD_AT_MOST_S)
    try:
        yield
    finally:
        go_on.set()


def head(length: int | None = None, **headers: str) -> bytes:
    """Return the head of a POST to /classify."""
    lines = {"Host": "localhost", "Content-Type": "image/png", **headers}
    if length is not None:
        lines["Content-Length"] = str(length)
    text = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    return f"POST /classify HTTP/1.1\r\n{text}\r\n".encode("latin-1")


def answer(connection: socket.socket) -> tuple[int, dict[str, Any]]:
    """Read one answer with a JSON body; return its status and its document."""
    (only,) = answers(connection, 1)
    return only


def answers(connection: socket.socket, count: int) -> list[tuple[int, dict[str, Any]]]:
    """Read answers with JSON bodies; return status and document of each."""
    with connection.makefile("rb") as stream:
        return [_read(stream) for _ in range(count)]


def _read(stream: BufferedReader) -> tuple[int, dict[str, Any]]:
    status = int(stream.readline().split()[1])
    length = 0
    while line := stream.readline().strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    document: dict[str, Any] = json.loads(stream.read(length))
    return status, document


def everything(connection: socket.socket) -> bytes:
    """Read until the server closes the connection; fail if it never does or resets it."""
    pieces = []
    while piece := connection.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def statuses(received: bytes) -> list[int]:
    """Return the status of each answer in what was received."""
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]
