"""Ends a process that is stuck, so that whatever restarts it can act.

A thread inside the runtime or a decoder cannot be stopped from outside; only a new process
helps. Time during which the whole process was stopped (a debugger, a paused container, a
suspended machine) does not count.
"""

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable

EXIT_STUCK = 70  # EX_SOFTWARE of sysexits.h
_LONGEST_TICK_S = 1.0
_LOG_WITHIN_S = 1.0

logger = logging.getLogger("featherbox.watchdog")


def end_process(reason: str) -> None:
    """Log the reason and end now, without asking the threads that are stuck."""
    # whoever should read the log may be what is stuck
    note = threading.Thread(target=logger.critical, args=("%s", reason), daemon=True)
    note.start()
    note.join(_LOG_WITHIN_S)
    os._exit(EXIT_STUCK)


class Pulse:
    """How long the event loop has owed an answer; ask from another thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._asked_at: float | None = None

    def running_s(self) -> list[float]:
        """Return the seconds since the loop was asked for a sign and gave none."""
        if self._asked_at is not None:
            return [time.monotonic() - self._asked_at]
        self._asked_at = time.monotonic()
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._beat)
        return []

    def _beat(self) -> None:
        self._asked_at = None


class Watchdog:
    """Looks every second or sooner whether anything has run for longer than `limit_s`.

    Each of `watched`, by name, returns the seconds that its pieces of work have taken so far.
    """

    def __init__(
        self,
        limit_s: float,
        watched: dict[str, Callable[[], Iterable[float]]],
        end: Callable[[str], object] = end_process,
    ) -> None:
        self._limit_s = limit_s
        self._watched = watched
        self._end = end
        self._tick_s = min(_LONGEST_TICK_S, limit_s / 4)
        self._looked_at = self._awake_since = time.monotonic()
        self._closed = threading.Event()

    def start(self) -> None:
        """Watch from a thread of its own; a limit of 0 watches nothing."""
        if self._limit_s:
            threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def close(self) -> None:
        """Watch no more."""
        self._closed.set()

    def look(self, now: float) -> None:
        """Look once; `now` is `time.monotonic()`."""
        if now - self._looked_at > self._tick_s + self._limit_s / 2:
            self._awake_since = now  # nobody ran for so long, not just the threads
        self._looked_at = now
        for name, read in self._watched.items():
            stuck_s = min(max(read(), default=0.0), now - self._awake_since)
            if stuck_s > self._limit_s:
                self._end(f"{name} stuck for {stuck_s:.0f} s: the process ends")

    def _run(self) -> None:
        while not self._closed.wait(self._tick_s):
            self.look(time.monotonic())
