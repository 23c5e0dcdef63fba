"""A few worker threads behind a bounded queue; knows neither models nor HTTP.

A job is counted before it is queued and refused when all places are taken, so that nothing is
decoded for a request that cannot be answered. A job whose deadline has passed, or whose future
was cancelled, is dropped before its work begins.

`concurrent.futures` does the same; its futures and executor cost twice as much of what handing
over a job costs in all, and that is a tenth of a small net's inference.
"""

import math
import threading
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from service.errors import DeadlineExceeded, NotReady, Overloaded

T = TypeVar("T")

_SMOOTHING = 0.1
_FIRST_GUESS_S = 0.01


def _ignore() -> None:
    """Stand in for a callback that nobody gave."""


class Job(Generic[T]):
    """One piece of work on its way through the pool, and its result."""

    __slots__ = (
        "_deadline", "_error", "_finished", "_on_done", "_pool", "_result", "_submitted", "_work",
    )  # fmt: skip

    def __init__(
        self,
        pool: "WorkerPool",
        work: Callable[[float], T],
        deadline: float,
        on_done: Callable[[], object],
    ) -> None:
        self._pool = pool
        self._work: Callable[[float], T] | None = work
        self._deadline = deadline
        self._on_done = on_done
        self._result: T
        self._error: BaseException | None = None
        self._submitted = time.monotonic()
        self._finished = threading.Lock()  # held until there is a result
        self._finished.acquire()

    def done(self) -> bool:
        """Tell whether there is a result or an error."""
        return not self._finished.locked()

    def result(self, timeout_s: float = -1) -> T:
        """Wait for the job on this thread; return its result or raise its error, once.

        Raises:
            DeadlineExceeded: it was dropped because its deadline had passed.
            TimeoutError: it is not done within `timeout_s` (never, if negative).
        """
        if not self._finished.acquire(timeout=timeout_s):
            raise TimeoutError
        self._finished.release()
        if self._error is None:
            return self._result
        # An error holds the frames that it came through, and the image in them. Were it held by
        # this job or this frame, which are among them, it would stay until the collector's turn.
        error, self._error = self._error, None
        try:
            raise error
        finally:
            del error

    def cancel(self) -> bool:
        """Drop the job if no thread has begun it, and let go of its work at once."""
        if self._take() is None:
            return False
        self._pool.leave()
        return True

    def run(self) -> None:
        """Do the work on this thread, unless it was cancelled or comes too late."""
        begun = time.monotonic()
        work = self._take()
        if work is None:
            return
        try:
            if begun >= self._deadline:
                raise DeadlineExceeded("The request's time ran out while it waited.")
            self._result = work((begun - self._submitted) * 1e3)
        except BaseException as error:  # whoever waits for the job gets it
            self._error = error
        self._pool.leave()
        self._finished.release()
        self._on_done()

    def _take(self) -> Callable[[float], T] | None:
        """Return the work to the first who asks, and None to the next."""
        with self._pool.lock:
            work, self._work = self._work, None
        return work


class WorkerPool:
    """Runs jobs on `threads` threads with `queue_per_thread` waiting places for each."""

    def __init__(self, threads: int, queue_per_thread: int) -> None:
        self.threads = threads
        self.capacity = threads * (1 + queue_per_thread)
        self.lock = threading.Lock()
        self._queue: SimpleQueue[Job[Any] | None] = SimpleQueue()
        self._in_flight = 0
        self._service_s = _FIRST_GUESS_S
        self._closed = False
        self._begun: list[float | None] = [None] * threads
        self._workers = [
            threading.Thread(
                target=self._work, args=(number,), name=f"worker-{number}", daemon=True
            )
            for number in range(threads)
        ]
        for worker in self._workers:
            worker.start()

    @property
    def in_flight(self) -> int:
        """Jobs admitted and not finished, running and waiting."""
        return self._in_flight

    @property
    def waiting(self) -> int:
        """Jobs admitted that no thread has begun; an estimate while threads change jobs."""
        return max(0, self._in_flight - self.threads)

    def running_s(self) -> list[float]:
        """Return for each busy thread how long it has been at its job, s."""
        now = time.monotonic()
        return [now - begun for begun in self._begun if begun is not None]

    def check_room(self, jobs: int = 1) -> None:
        """Refuse early, before a body is read, if `jobs` more cannot be admitted now.

        Raises:
            Overloaded: all places are taken.
        """
        if self._in_flight + jobs > self.capacity:
            raise self._overloaded()

    def submit_all(
        self,
        works: Sequence[Callable[[float], T]],
        deadline: float,
        on_done: Callable[[], object] = _ignore,
    ) -> list[Job[T]]:
        """Admit all of `works` or none.

        Args:
            works: each is called on a worker thread with the milliseconds that it waited.
            deadline: `time.monotonic()` after which waiting work is dropped.
            on_done: called on the worker thread after each; not for a job that was cancelled.

        Returns:
            One job for each, in order. A dropped job raises DeadlineExceeded.

        Raises:
            Overloaded: there is no room for all of them.
            NotReady: the pool is closed.
        """
        with self.lock:
            if self._closed:
                raise NotReady("The service is shutting down.")
            if self._in_flight + len(works) > self.capacity:
                raise self._overloaded()
            self._in_flight += len(works)
        jobs = [Job(self, work, deadline, on_done) for work in works]
        for job in jobs:
            self._queue.put(job)
        return jobs

    def submit(
        self,
        work: Callable[[float], T],
        deadline: float,
        on_done: Callable[[], object] = _ignore,
    ) -> Job[T]:
        """Admit one job; see `submit_all`."""
        return self.submit_all((work,), deadline, on_done)[0]

    def leave(self) -> None:
        """Free the place of one job."""
        with self.lock:
            self._in_flight -= 1

    def close(self, timeout_s: float = math.inf) -> bool:
        """Refuse new jobs and wait for those that were admitted.

        Returns:
            Whether all of them ended within `timeout_s`; a thread that is stuck is left behind.
        """
        with self.lock:
            first, self._closed = not self._closed, True
        if first:
            for _ in self._workers:
                self._queue.put(None)
        give_up = time.monotonic() + timeout_s
        for worker in self._workers:
            left_s = max(0.0, give_up - time.monotonic())
            worker.join(None if left_s == math.inf else left_s)
        return not any(worker.is_alive() for worker in self._workers)

    def _work(self, number: int) -> None:
        while (job := self._queue.get()) is not None:
            begun = self._begun[number] = time.monotonic()
            job.run()
            self._begun[number] = None
            # Both threads may write this estimate; a lost update does not matter.
            self._service_s += _SMOOTHING * (time.monotonic() - begun - self._service_s)
            del job  # an idle thread must not hold the last image

    def _overloaded(self) -> Overloaded:
        drain_s = self._in_flight * self._service_s / self.threads
        return Overloaded(
            "All places in the queue are taken: try again later.", max(1, math.ceil(drain_s))
        )
