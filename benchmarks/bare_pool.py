"""The engine's worker pool with no HTTP: as many images in work as a closed loop has clients.

What a server's latency under load cannot get below on this box: the same threads and the same
queue, nobody who sends or receives.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.engine import Classifier
from benchmarks.summary import percentile
from service.engine.workers import WorkerPool

_WARM_UP = 8
_DEADLINE_S = 600.0


@dataclass(slots=True)
class _Client:
    """Hands in its next image when it has the last answer, until the time is up."""

    pool: WorkerPool
    classify: Classifier
    photos: Sequence[bytes]
    turn: int
    until: float
    latencies_ms: list[float] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        """Hand in one image."""
        started = time.perf_counter()
        if started >= self.until:
            self.over.set()
            return
        self.turn += 1
        photo = self.photos[self.turn % len(self.photos)]

        def go_on() -> None:
            self.latencies_ms.append((time.perf_counter() - started) * 1e3)
            self.ask()

        self.pool.submit(lambda _: self.classify(photo), time.monotonic() + _DEADLINE_S, go_on)


def pool_tail(
    classify: Classifier, photos: Sequence[bytes], threads: int, clients: int, seconds: float
) -> float:
    """Return p99 over p50 of `clients` closed loops on a pool of `threads`."""
    for photo in photos[:_WARM_UP]:
        classify(photo)
    pool = WorkerPool(threads, clients)
    until = time.perf_counter() + seconds
    together = [_Client(pool, classify, photos, turn, until) for turn in range(clients)]
    for client in together:
        client.ask()
    for client in together:
        client.over.wait()
    pool.close()
    latencies = [value for client in together for value in client.latencies_ms]
    return percentile(latencies, 0.99) / percentile(latencies, 0.5)
