"""A few worker threads behind a bounded queue; knows neither models nor HTTP.

A job is counted before it is queued and refused when all places are taken, so that nothing is
decoded for a request that cannot be answered. A job whose deadline has passed, or whose future
was cancelled, is dropped before its work begins.
"""

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from service.errors import DeadlineExceeded, NotReady, Overloaded

T = TypeVar("T")

_SMOOTHING = 0.1
_FIRST_GUESS_S = 0.01


class WorkerPool:
    """Runs jobs on `threads` threads with `queue_per_thread` waiting places for each."""

    def __init__(self, threads: int, queue_per_thread: int) -> None:
        self.threads = threads
        self.capacity = threads * (1 + queue_per_thread)
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="worker")
        self._lock = threading.Lock()
        self._in_flight = 0
        self._service_s = _FIRST_GUESS_S
        self._closed = False

    @property
    def in_flight(self) -> int:
        """Jobs admitted and not finished, running and waiting."""
        return self._in_flight

    @property
    def waiting(self) -> int:
        """Jobs admitted that no thread has begun; an estimate while threads change jobs."""
        return max(0, self._in_flight - self.threads)

    def check_room(self, jobs: int = 1) -> None:
        """Refuse early, before a body is read, if `jobs` more cannot be admitted now.

        Raises:
            Overloaded: all places are taken.
        """
        if self._in_flight + jobs > self.capacity:
            raise self._overloaded()

    def submit_all(
        self, jobs: Sequence[Callable[[float], T]], deadline: float
    ) -> list["Future[T]"]:
        """Admit all of `jobs` or none.

        Args:
            jobs: each is called on a worker thread with the milliseconds that it waited.
            deadline: `time.monotonic()` after which a waiting job is dropped.

        Returns:
            One future a job, in order. A dropped job's future raises DeadlineExceeded.

        Raises:
            Overloaded: there is no room for all of them.
            NotReady: the pool is closed.
        """
        with self._lock:
            if self._closed:
                raise NotReady("The service is shutting down.")
            if self._in_flight + len(jobs) > self.capacity:
                raise self._overloaded()
            self._in_flight += len(jobs)
        return [self._start(job, deadline) for job in jobs]

    def submit(self, job: Callable[[float], T], deadline: float) -> "Future[T]":
        """Admit one job; see `submit_all`."""
        return self.submit_all([job], deadline)[0]

    def close(self) -> None:
        """Refuse new jobs and wait for those that were admitted."""
        self._closed = True
        self._executor.shutdown(wait=True)

    def _start(self, job: Callable[[float], T], deadline: float) -> "Future[T]":
        submitted = time.monotonic()
        # A cancelled future stays in the executor's queue until a thread meets it: its job, with
        # the image in it, must not.
        held = [job]

        def run() -> T:
            begun = time.monotonic()
            if begun >= deadline:
                raise DeadlineExceeded("The request's time ran out while it waited.")
            try:
                return held[0]((begun - submitted) * 1e3)
            finally:
                spent = time.monotonic() - begun
                self._service_s += _SMOOTHING * (spent - self._service_s)

        future = self._executor.submit(run)

        def leave(_future: "Future[T]") -> None:
            held.clear()
            with self._lock:
                self._in_flight -= 1

        future.add_done_callback(leave)
        return future

    def _overloaded(self) -> Overloaded:
        drain_s = self._in_flight * self._service_s / self.threads
        return Overloaded(
            "All places in the queue are taken: try again later.", max(1, math.ceil(drain_s))
        )
