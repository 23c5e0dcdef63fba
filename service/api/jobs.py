"""From worker threads back to the event loop."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from service.engine.job import Job
from service.engine.workers import WorkerPool
from service.errors import DeadlineExceeded, Overloaded

T = TypeVar("T")

_ROOM_POLL_S = 0.005


class ClientGone(Exception):
    """The client closed its connection; nobody waits for an answer."""


class JobWaiter:
    """Waits on the event loop for the jobs of one request, until its deadline."""

    def __init__(self, pool: WorkerPool, lane: str, deadline: float) -> None:
        """Begin with nothing submitted.

        Args:
            pool: does the work.
            lane: of the pool.
            deadline: `time.monotonic()` after which nothing is waited for.
        """
        self.threads = pool.threads
        self._pool = pool
        self._lane = lane
        self._loop = asyncio.get_running_loop()
        self._deadline = deadline
        self._expired = False
        self._gone = False
        self._woken: asyncio.Future[None] = self._loop.create_future()

    @contextlib.asynccontextmanager
    async def watching(self, receive: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
        """Notice within the block that the client goes away; its body must have been read.

        Args:
            receive: of the ASGI request; it comes back when the client has gone.
        """
        watch = asyncio.ensure_future(receive())
        watch.add_done_callback(self._leave)
        try:
            yield
        finally:
            watch.remove_done_callback(self._leave)
            watch.cancel()

    def submit(self, work: Callable[[float], T]) -> Job[T]:
        """Hand work to the pool; see `WorkerPool.submit`.

        Raises:
            Overloaded, NotReady: it is not admitted.
        """
        return self._pool.submit(work, self._deadline, self._job_done, self._lane)

    def _job_done(self) -> None:
        """Take note of a finished job, on its worker thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended, nobody waits
            self._loop.call_soon_threadsafe(self._wake)

    async def result(self, job: Job[T]) -> T:
        """Return a job's result or raise its error.

        Raises:
            DeadlineExceeded: it is not done at the deadline; if it still waits it is dropped.
            ClientGone: the client has gone, and the request watches for that.
        """
        timer = self._loop.call_later(self._deadline - time.monotonic(), self._expire)
        try:
            while not job.done():
                if self._gone:
                    raise ClientGone
                if self._expired:
                    raise DeadlineExceeded("The request's time ran out before there was an answer.")
                await self._woken
                self._woken = self._loop.create_future()
            return job.result()
        finally:
            timer.cancel()
            job.cancel()

    async def room(self) -> None:
        """Wait a moment for room in the pool.

        Raises:
            DeadlineExceeded, ClientGone: see `result`.
        """
        if self._gone:
            raise ClientGone
        if time.monotonic() >= self._deadline:
            raise DeadlineExceeded("The request's time ran out while it waited.")
        await asyncio.sleep(_ROOM_POLL_S)

    def _leave(self, _watch: object) -> None:
        self._gone = True
        self._wake()

    def _expire(self) -> None:
        self._expired = True
        self._wake()

    def _wake(self) -> None:
        if not self._woken.done():
            self._woken.set_result(None)


class JobsInTurn(Generic[T]):
    """Several pieces of work of one request, of which only a few are in the pool at a time.

    So any number of them fits a queue of any size, and leaves places to others.
    """

    def __init__(self, waiter: JobWaiter, works: Sequence[Callable[[float], T]]) -> None:
        self._waiter = waiter
        self._left = deque(works)
        self._most = 2 * waiter.threads  # one in work and one ready for each thread
        self._ahead: deque[Job[T]] = deque()

    async def result(self) -> T:
        """Return the result of the next piece, or raise its error.

        Raises:
            DeadlineExceeded: it is not done at the deadline.
            ClientGone: see `JobWaiter.watching`.
        """
        self._fill()
        while not self._ahead:
            try:
                await self._waiter.room()
            except DeadlineExceeded:
                self._left.popleft()
                raise
            self._fill()
        return await self._waiter.result(self._ahead.popleft())

    def drop(self) -> None:
        """Let go of what no thread has begun."""
        self._left.clear()
        while self._ahead:
            self._ahead.popleft().cancel()

    def _fill(self) -> None:
        with contextlib.suppress(Overloaded):
            while self._left and len(self._ahead) < self._most:
                self._ahead.append(self._waiter.submit(self._left[0]))
                self._left.popleft()
