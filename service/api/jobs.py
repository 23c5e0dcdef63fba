"""From worker threads back to the event loop."""

import asyncio
import contextlib
import time
from typing import TypeVar

from service.engine.workers import Job
from service.errors import DeadlineExceeded

T = TypeVar("T")


class JobWaiter:
    """Waits on the event loop for the jobs of one request, until its deadline."""

    def __init__(self, deadline: float) -> None:
        """Take the `time.monotonic()` after which nothing is waited for."""
        self._loop = asyncio.get_running_loop()
        self._deadline = deadline
        self._expired = False
        self._woken: asyncio.Future[None] = self._loop.create_future()

    def job_done(self) -> None:
        """Take note of a finished job, on its worker thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended, nobody waits
            self._loop.call_soon_threadsafe(self._wake)

    async def result(self, job: Job[T]) -> T:
        """Return a job's result or raise its error.

        Raises:
            DeadlineExceeded: it is not done at the deadline; if it still waits it is dropped.
        """
        timer = self._loop.call_later(self._deadline - time.monotonic(), self._expire)
        try:
            while not job.done():
                if self._expired:
                    raise DeadlineExceeded("The request's time ran out before there was an answer.")
                await self._woken
                self._woken = self._loop.create_future()
            return job.result()
        finally:
            timer.cancel()
            job.cancel()

    def _expire(self) -> None:
        self._expired = True
        self._wake()

    def _wake(self) -> None:
        if not self._woken.done():
            self._woken.set_result(None)
