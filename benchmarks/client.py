"""A closed-loop HTTP client in processes of its own; little CPU, so that it can share the box."""

import multiprocessing
import socket
import threading
import time
from multiprocessing.connection import Connection


def post_for(
    port: int, path: str, photos: list[bytes], clients: int, seconds: float
) -> list[float]:
    """POST the photos in turn over `clients` kept-alive connections for `seconds`.

    Returns:
        The latency of each answer, ms.

    Raises:
        RuntimeError: an answer was not 200.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    worker = context.Process(target=_run, args=(sender, port, path, photos, clients, seconds))
    worker.start()
    sender.close()
    try:
        latencies: list[float] | str = receiver.recv()
    finally:
        worker.join()
    if isinstance(latencies, str):
        raise RuntimeError(latencies)
    return latencies


def _run(
    sender: Connection, port: int, path: str, photos: list[bytes], clients: int, seconds: float
) -> None:
    results: list[list[float]] = [[] for _ in range(clients)]
    failures: list[str] = []

    def loop(number: int) -> None:
        try:
            _post_until(port, path, photos[number:] + photos[:number], seconds, results[number])
        except (OSError, RuntimeError) as error:
            failures.append(str(error))

    threads = [threading.Thread(target=loop, args=(n,)) for n in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sender.send(failures[0] if failures else [value for part in results for value in part])


def _post_until(
    port: int, path: str, photos: list[bytes], seconds: float, latencies: list[float]
) -> None:
    head = "POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n"
    requests = [head.format(path, len(photo)).encode() + photo for photo in photos]
    end = time.perf_counter() + seconds
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        turn = 0
        while (started := time.perf_counter()) < end:
            connection.sendall(requests[turn % len(requests)])
            _read_answer(connection)
            latencies.append((time.perf_counter() - started) * 1e3)
            turn += 1


def _read_answer(connection: socket.socket) -> None:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            raise RuntimeError("the server closed the connection")
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.split(b"\r\n", 1)[0].decode("latin-1"))
    length = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    while len(body) < length:
        body += connection.recv(65536)
