"""Clients in threads that note what became of every request and when: for faults under load."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from benchmarks.raw_client import read_answer

_TIMEOUT_S = 20.0
_PAUSE_S = 0.02  # before a client that was refused asks again


class Fate(Enum):
    """What became of a request."""

    ANSWERED = "answered"  # 2xx
    REFUSED = "refused"  # any other status
    CUT = "cut"  # sent, and the connection broke before its answer
    LOST = "lost"  # the server had said 100 Continue, and then never answered
    NOT_TAKEN = "not taken"  # no connection, or it broke before the request was accepted


@dataclass(slots=True)
class Clients:
    """Requests on connections of their own, one after the other by each client."""

    port: int
    body: bytes
    asks_first: bool = False  # send the body only after 100 Continue: then it is accepted
    fates: list[tuple[float, Fate, int]] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def asking(self, count: int) -> Iterator[None]:
        """Ask with `count` clients until the block ends."""
        threads = [threading.Thread(target=self._ask) for _ in range(count)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def count(self, fate: Fate) -> int:
        """Count the requests with one fate."""
        return sum(found is fate for _, found, _ in self.fates)

    def statuses(self) -> set[int]:
        """Return the statuses of what was refused."""
        return {status for _, fate, status in self.fates if fate is Fate.REFUSED}

    def rate(self, begin: float, end: float) -> float:
        """Return 2xx answers a second between two `time.monotonic()`."""
        found = sum(fate is Fate.ANSWERED and begin <= at < end for at, fate, _ in self.fates)
        return found / (end - begin)

    def _ask(self) -> None:
        while not self._stop.is_set():
            fate, status = self._one()
            self.fates.append((time.monotonic(), fate, status))
            if fate is not Fate.ANSWERED:
                self._stop.wait(_PAUSE_S)

    def _one(self) -> tuple[Fate, int]:
        head = (
            "POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
            f"Connection: close\r\nContent-Length: {len(self.body)}\r\n"
            + ("Expect: 100-continue\r\n\r\n" if self.asks_first else "\r\n")
        ).encode()
        worst = Fate.NOT_TAKEN
        try:
            with socket.create_connection(("127.0.0.1", self.port), _TIMEOUT_S) as connection:
                if self.asks_first:
                    connection.sendall(head)
                    said = connection.recv(4096)
                    if not said.startswith(b"HTTP/1.1 100 "):
                        return (Fate.REFUSED, int(said[9:12])) if said else (worst, 0)
                    worst = Fate.LOST
                    connection.sendall(self.body)
                else:
                    connection.sendall(head + self.body)
                    worst = Fate.CUT
                status = read_answer(connection)
        except OSError:
            return worst, 0
        return (Fate.ANSWERED if status < 300 else Fate.REFUSED), status
