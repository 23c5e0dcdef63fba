"""A few worker threads behind bounded queues; knows neither models nor HTTP.

A job is counted before it is queued and refused when all places of its lane are taken, so that
nothing is decoded for a request that cannot be answered. The threads take from the lanes in turn:
a lane that is full delays a job of another by one job, no more. A job whose deadline has passed,
or that was cancelled, is dropped before its work begins.

`concurrent.futures` does the same; its futures and executor cost twice as much of what handing
over a job costs in all, and that is a tenth of a small net's inference.
"""

import math
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
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
        "_deadline", "_error", "_finished", "_on_done", "_pool", "_result", "_submitted", "lane",
        "work",
    )  # fmt: skip

    def __init__(
        self,
        pool: "WorkerPool",
        lane: "_Lane",
        work: Callable[[float], T],
        deadline: float,
        on_done: Callable[[], object],
    ) -> None:
        self._pool = pool
        self.lane = lane
        self.work: Callable[[float], T] | None = work
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
        return self._pool.withdraw(self)

    def run(self, work: Callable[[float], T]) -> None:
        """Do the work on this thread, unless it comes too late."""
        begun = time.monotonic()
        try:
            if begun >= self._deadline:
                raise DeadlineExceeded("The request's time ran out while it waited.")
            self._result = work((begun - self._submitted) * 1e3)
        except BaseException as error:  # whoever waits for the job gets it
            self._error = error
        self._pool.leave(self)
        self._finished.release()
        self._on_done()


class _Lane:
    """The jobs of one name; guarded by the pool's lock."""

    __slots__ = ("in_flight", "waiting")

    def __init__(self) -> None:
        self.in_flight = 0
        self.waiting: deque[Job[Any]] = deque()


class WorkerPool:
    """Runs jobs on `threads` threads; each lane has `queue_per_thread` waiting places for each.

    A lane is there from the first job that names it; names must be few.
    """

    def __init__(self, threads: int, queue_per_thread: int) -> None:
        self.threads = threads
        self.capacity = threads * (1 + queue_per_thread)  # of one lane
        self._lock = threading.Lock()
        self._lanes: defaultdict[str, _Lane] = defaultdict(_Lane)
        self._turns: deque[_Lane] = deque()  # the lanes in which a job waits
        self._bell: SimpleQueue[bool] = SimpleQueue()  # rung for each job; False ends a thread
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

    def wait_ms(self) -> float:
        """Return how long a job admitted now would wait for a thread, going by the last ones."""
        ahead = self._in_flight - self.threads + 1
        return max(0, ahead) * self._service_s / self.threads * 1e3

    def in_flight_of(self, lane: str) -> int:
        """Return how many jobs of a lane are admitted and not finished."""
        return self._lanes[lane].in_flight if lane in self._lanes else 0

    def check_room(self, lane: str = "") -> None:
        """Refuse early, before a body is read, if no more can be admitted now.

        Raises:
            Overloaded: all places of the lane are taken.
        """
        if self._lanes[lane].in_flight >= self.capacity:
            raise self._overloaded()

    def submit(
        self,
        work: Callable[[float], T],
        deadline: float,
        on_done: Callable[[], object] = _ignore,
        lane: str = "",
    ) -> Job[T]:
        """Admit one job.

        Args:
            work: called on a worker thread with the milliseconds that it waited.
            deadline: `time.monotonic()` after which the job is dropped if it still waits; its
                result is then DeadlineExceeded.
            on_done: called on the worker thread after it; not for a job that was cancelled.
            lane: name of the queue that it waits in.

        Raises:
            Overloaded: all places of the lane are taken.
            NotReady: the pool is closed.
        """
        with self._lock:
            queue = self._lanes[lane]
            if self._closed:
                raise NotReady("The service is shutting down.")
            if queue.in_flight >= self.capacity:
                raise self._overloaded()
            queue.in_flight += 1
            self._in_flight += 1
            job = Job(self, queue, work, deadline, on_done)
            if not queue.waiting:
                self._turns.append(queue)
            queue.waiting.append(job)
        self._bell.put(True)
        return job

    def leave(self, job: Job[Any]) -> None:
        """Free the place of a job that has run."""
        with self._lock:
            self._in_flight -= 1
            job.lane.in_flight -= 1

    def withdraw(self, job: Job[Any]) -> bool:
        """Free the place of a job that no thread has begun, and tell whether it was so."""
        with self._lock:
            if job.work is None:
                return False
            job.work = None
            self._in_flight -= 1
            job.lane.in_flight -= 1
            return True

    def close(self, timeout_s: float = math.inf) -> bool:
        """Refuse new jobs and wait for those that were admitted.

        Returns:
            Whether all of them ended within `timeout_s`; a thread that is stuck is left behind.
        """
        with self._lock:
            first, self._closed = not self._closed, True
        if first:
            for _ in self._workers:
                self._bell.put(False)
        give_up = time.monotonic() + timeout_s
        for worker in self._workers:
            left_s = max(0.0, give_up - time.monotonic())
            worker.join(None if left_s == math.inf else left_s)
        return not any(worker.is_alive() for worker in self._workers)

    def _work(self, number: int) -> None:
        while self._bell.get():
            with self._lock:
                lane = self._turns.popleft()
                job = lane.waiting.popleft()
                if lane.waiting:
                    self._turns.append(lane)
                work, job.work = job.work, None
            if work is not None:
                begun = self._begun[number] = time.monotonic()
                job.run(work)
                self._begun[number] = None
                # Both threads may write this estimate; a lost update does not matter.
                self._service_s += _SMOOTHING * (time.monotonic() - begun - self._service_s)
            del job, work  # an idle thread must not hold the last image

    def _overloaded(self) -> Overloaded:
        drain_s = self._in_flight * self._service_s / self.threads
        return Overloaded(
            "All places in the queue are taken: try again later.", max(1, math.ceil(drain_s))
        )
