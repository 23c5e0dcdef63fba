"""A few worker threads behind bounded queues; knows neither models nor HTTP.

A job is counted before it is queued and refused when all places of its lane are taken, so that
nothing is decoded for a request that cannot be answered. The threads take from the lanes in turn:
a lane that is full delays a job of another by one job, no more. A job whose deadline has passed,
or that was cancelled, is dropped before its work begins.

Work that takes long (a few images do, by their header) never occupies all threads: with one of
them left, it is put aside for one more thread, which does nothing else.

`concurrent.futures` does the same; its futures and executor cost twice as much of what handing
over a job costs in all, and that is a tenth of a small net's inference.
"""

import math
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from service.engine.effort import ask_first
from service.engine.job import Job, Lane
from service.errors import NotReady, Overloaded

T = TypeVar("T")

_SMOOTHING = 0.1
_FIRST_GUESS_S = 0.01


def _ignore() -> None:
    """Stand in for a callback that nobody gave."""


class WorkerPool:
    """Runs jobs on `threads` threads; each lane has `queue_per_thread` waiting places for each.

    A lane is there from the first job that names it; names must be few.
    """

    def __init__(self, threads: int, queue_per_thread: int) -> None:
        self.threads = threads
        self.capacity = threads * (1 + queue_per_thread)  # of one lane
        self._lock = threading.Lock()
        self._lanes: defaultdict[str, Lane] = defaultdict(lambda: Lane(self.capacity))
        self._turns: deque[Lane] = deque()  # the lanes in which a job waits
        self._bell: SimpleQueue[bool] = SimpleQueue()  # rung for each job; False ends a thread
        self._in_flight = 0
        self._service_s = _FIRST_GUESS_S
        self._closed = False
        self._aside = 0  # jobs of those in flight
        self._long: deque[Job[Any]] = deque()  # those of them that no thread has begun
        self._long_bell: SimpleQueue[bool] = SimpleQueue()
        self._at_long = [False] * threads
        self._begun: list[float | None] = [None] * (threads + 1)
        self._workers = [
            threading.Thread(
                target=self._work, args=(number,), name=f"worker-{number}", daemon=True
            )
            for number in range(threads)
        ]
        self._long_worker = threading.Thread(
            target=self._work_long, name="worker-long", daemon=True
        )
        for worker in (*self._workers, self._long_worker):
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
        ahead = self._in_flight - self._aside - self.threads + 1
        return max(0, ahead) * self._service_s / self.threads * 1e3

    def jobs_per_s(self) -> float:
        """Return how many jobs the threads do in a second, going by the last ones."""
        return self.threads / self._service_s

    def in_flight_of(self, lane: str) -> int:
        """Return how many jobs of a lane are admitted and not finished."""
        return self._lanes[lane].in_flight if lane in self._lanes else 0

    def check_room(self, lane: str = "") -> None:
        """Refuse early, before a body is read, if no more can be admitted now.

        Raises:
            Overloaded: all places of the lane are taken.
        """
        if not self._lanes[lane].has_room():
            raise self.overloaded()

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
            if not queue.has_room():
                raise self.overloaded()
            queue.enter()
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
            self._free(job)

    def withdraw(self, job: Job[Any]) -> bool:
        """Free the place of a job that no thread has begun, and tell whether it was so."""
        with self._lock:
            if job.work is None:
                return False
            job.work = None
            self._free(job)
            return True

    def _free(self, job: Job[Any]) -> None:
        self._in_flight -= 1
        self._aside -= job.aside
        job.lane.leave()

    def put_aside(self, job: Job[T], work: Callable[[float], T]) -> bool:
        """Let a job that takes long wait for the thread for such; tell whether there was room."""
        with self._lock:
            if 2 * len(self._long) >= self.capacity:
                return False
            job.work, job.aside = work, True
            self._aside += 1
            self._long.append(job)
        self._long_bell.put(True)
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
            _join(worker, give_up)
        self._long_bell.put(False)  # nobody puts anything aside any more
        _join(self._long_worker, give_up)
        return not any(worker.is_alive() for worker in (*self._workers, self._long_worker))

    def _work(self, number: int) -> None:
        ask_first(partial(self._may_take_long, number))
        while self._bell.get():
            with self._lock:
                lane = self._turns.popleft()
                job = lane.waiting.popleft()
                if lane.waiting:
                    self._turns.append(lane)
                work = job.take()
            if work is not None:
                begun = self._begun[number] = time.monotonic()
                done = job.run(work)
                self._begun[number] = None
                if self._at_long[number]:
                    self._at_long[number] = False
                elif done:
                    # Both threads may write this estimate; a lost update does not matter.
                    self._service_s += _SMOOTHING * (time.monotonic() - begun - self._service_s)
            del job, work  # an idle thread must not hold the last image

    def _work_long(self) -> None:
        while self._long_bell.get():
            with self._lock:
                job = self._long.popleft()
                work = job.take()
            if work is not None:
                self._begun[-1] = time.monotonic()
                job.run(work)
                self._begun[-1] = None
            del job, work

    def _may_take_long(self, number: int) -> bool:
        """Tell whether a thread may begin what takes long: all but one may at the same time."""
        with self._lock:
            if not self._at_long[number] and sum(self._at_long) < self.threads - 1:
                self._at_long[number] = True
            return self._at_long[number]

    def overloaded(self) -> Overloaded:
        """Return the error of a job for which there is no place."""
        drain_s = self._in_flight * self._service_s / self.threads
        return Overloaded(
            "All places in the queue are taken: try again later.", max(1, math.ceil(drain_s))
        )


def _join(thread: threading.Thread, give_up: float) -> None:
    """Wait for the end of a thread until `give_up`, a `time.monotonic()`."""
    thread.join(None if give_up == math.inf else max(0.0, give_up - time.monotonic()))
