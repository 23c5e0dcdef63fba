"""A closed-loop HTTP client over raw sockets, in a process of its own: the fallback for wrk."""

import socket
import threading
import time
from dataclasses import dataclass, field

from benchmarks.processes import in_own_process
from benchmarks.traffic import LoadResult, Traffic, load_result

_TIMEOUT_S = 30.0


@dataclass(slots=True)
class _Client:
    """What one connection saw."""

    latencies_ms: list[float] = field(default_factory=list)
    refused: int = 0
    failed: int = 0


def post_for(port: int, traffic: Traffic, clients: int, seconds: float) -> LoadResult:
    """Send `traffic` in turn over `clients` kept-alive connections for `seconds`."""
    return in_own_process(_run, port, traffic, clients, seconds)


def _run(port: int, traffic: Traffic, count: int, seconds: float) -> LoadResult:
    requests = traffic.requests()
    clients = [_Client() for _ in range(count)]
    threads = [
        threading.Thread(target=_post_until, args=(port, requests, number, seconds, client))
        for number, client in enumerate(clients)
    ]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent = time.perf_counter() - started
    latencies = [value for client in clients for value in client.latencies_ms]
    refused = sum(client.refused for client in clients)
    failed = sum(client.failed for client in clients)
    return load_result(spent, latencies, refused, failed)


def _post_until(
    port: int, requests: list[bytes], turn: int, seconds: float, client: _Client
) -> None:
    end = time.perf_counter() + seconds
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while (started := time.perf_counter()) < end:
                connection.sendall(requests[turn % len(requests)])
                status = read_answer(connection)
                if 200 <= status < 300:
                    client.latencies_ms.append((time.perf_counter() - started) * 1e3)
                else:
                    client.refused += 1
                turn += 1
    except OSError:
        client.failed += 1


def read_answer(connection: socket.socket) -> int:
    """Read one answer that has a Content-Length; return its status.

    Raises:
        OSError: the connection was closed before its end.
    """
    data = b""
    while b"\r\n\r\n" not in data:
        data += _receive(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    missing = content_length(lines) - len(body)
    while missing > 0:
        missing -= len(_receive(connection))
    return int(lines[0].split(b" ", 2)[1])


def content_length(lines: list[bytes]) -> int:
    """Return the Content-Length among the lines of a head, 0 if there is none."""
    for line in lines:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def _receive(connection: socket.socket) -> bytes:
    chunk = connection.recv(65536)
    if not chunk:
        raise ConnectionError("the server closed the connection")
    return chunk
