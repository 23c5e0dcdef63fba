"""HTTP by hand, for what no client library sends."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.server import LiveServer

_TIMEOUT_S = 20.0


@contextmanager
def connected(server: LiveServer) -> Iterator[socket.socket]:
    """Return a connection to the server."""
    with socket.create_connection(("127.0.0.1", server.port), _TIMEOUT_S) as connection:
        yield connection


def head(length: int | None = None, **headers: str) -> bytes:
    """Return the head of a POST to /classify."""
    lines = {"Host": "localhost", "Content-Type": "image/png", **headers}
    if length is not None:
        lines["Content-Length"] = str(length)
    text = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    return f"POST /classify HTTP/1.1\r\n{text}\r\n".encode("latin-1")


def answer(connection: socket.socket) -> tuple[int, dict[str, Any]]:
    """Read one answer with a JSON body; return its status and its document."""
    with connection.makefile("rb") as stream:
        status = int(stream.readline().split()[1])
        length = 0
        while line := stream.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        document: dict[str, Any] = json.loads(stream.read(length))
        return status, document
