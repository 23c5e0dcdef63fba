"""A pool of worker threads that do what a test tells them."""

import threading

from service.engine.workers import WorkerPool

NEVER = float("inf")


class Crew:
    """A pool whose threads wait at a gate."""

    def __init__(self, threads: int, queue_per_thread: int) -> None:
        self.pool = WorkerPool(threads, queue_per_thread)
        self.gate = threading.Event()
        self.ran: list[str] = []

    def wait(self, _queued_ms: float) -> None:
        assert self.gate.wait(30)

    def occupy(self) -> None:
        """Let every thread wait at the gate."""
        started = threading.Semaphore(0)

        def job(queued_ms: float) -> None:
            started.release()
            self.wait(queued_ms)

        for _ in range(self.pool.threads):
            self.pool.submit(job, NEVER)
            assert started.acquire(timeout=30)

    def note(self, name: str, _queued_ms: float = 0.0) -> str:
        self.ran.append(name)
        return name
