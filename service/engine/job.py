"""One piece of work on its way through the worker pool, and the queue that it waits in."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from service.engine.effort import TakesLong
from service.errors import DeadlineExceeded, Overloaded

if TYPE_CHECKING:
    from service.engine.workers import WorkerPool

T = TypeVar("T")

# A shorter queue has none to spare.
_FEWEST_PLACES = 8


class Job(Generic[T]):
    """One piece of work on its way through the pool, and its result."""

    __slots__ = (
        "_deadline", "_error", "_finished", "_on_done", "_pool", "_result", "_submitted", "aside",
        "lane", "work",
    )  # fmt: skip

    def __init__(
        self,
        pool: "WorkerPool",
        lane: "Lane",
        work: Callable[[float], T],
        deadline: float,
        on_done: Callable[[], object],
    ) -> None:
        self._pool = pool
        self.lane = lane
        self.aside = False  # on the thread for what takes long, or waiting for it
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

    def take(self) -> Callable[[float], T] | None:
        """Return the work, which the caller does now, or None if it was cancelled.

        Guarded by the pool's lock.
        """
        work, self.work = self.work, None
        return work

    def run(self, work: Callable[[float], T]) -> bool:
        """Do the work on this thread, unless it comes too late; tell whether it was done."""
        begun, done = time.monotonic(), True
        try:
            if begun >= self._deadline:
                raise DeadlineExceeded("The request's time ran out while it waited.")
            self._result = work((begun - self._submitted) * 1e3)
        except TakesLong:
            if self._pool.put_aside(self, work):
                return False
            self._error, done = self._pool.overloaded(), False
        except (DeadlineExceeded, Overloaded) as error:
            self._error, done = error, False
        except BaseException as error:  # whoever waits for the job gets it
            self._error = error
        self._pool.leave(self)
        self._finished.release()
        self._on_done()
        return done


class Lane:
    """The jobs of one name; guarded by the pool's lock.

    A queue is there for bursts. Once it is full there are more requests than can be answered, and
    a long queue makes nothing but long waits: a third of its places is closed, until another third
    of them is free.
    """

    __slots__ = ("_most", "_room", "in_flight", "waiting")

    def __init__(self, places: int) -> None:
        self.in_flight = 0
        self.waiting: deque[Job[Any]] = deque()
        self._most = self._room = places

    def has_room(self) -> bool:
        """Tell whether one more has a place; asked of a full queue, that closes some of them."""
        if self.in_flight < self._room:
            return True
        if self._most >= _FEWEST_PLACES:
            self._room = self._most * 2 // 3
        return False

    def enter(self) -> None:
        """Take a place."""
        self.in_flight += 1

    def leave(self) -> None:
        """Free a place."""
        self.in_flight -= 1
        if self.in_flight <= self._most // 3:
            self._room = self._most
