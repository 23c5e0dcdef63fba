"""Whose turn it is on a busy processor, the event loop's or an inference's."""

import asyncio
import os
import time
from contextlib import suppress

_CALM_AFTER_S = 1.0


class Turns:
    """Lets the event loop's thread wait for its turn while there is more to do than can be done.

    The scheduler lets a thread that wakes up interrupt another at once. For the event loop that is
    right, except under overload: each of thousands of refusals a second would cost an inference
    its caches. As a batch job the loop runs a few milliseconds later, and answers all that has
    come by then. Used from that thread only.
    """

    def __init__(self) -> None:
        self.patient = False
        self._last = 0.0

    def overloaded(self, now: float) -> None:
        """Take note that a request is refused at `now`, a `time.monotonic()`."""
        self._last = now
        if not self.patient:
            self.patient = True
            _change_policy("SCHED_OTHER", "SCHED_BATCH")
            asyncio.get_running_loop().call_later(_CALM_AFTER_S, self._look_for_calm)

    def _look_for_calm(self) -> None:
        left_s = self._last + _CALM_AFTER_S - time.monotonic()
        if left_s > 0:
            asyncio.get_running_loop().call_later(left_s, self._look_for_calm)
        else:
            self.patient = False
            _change_policy("SCHED_BATCH", "SCHED_OTHER")


def _change_policy(old: str, new: str) -> None:
    """Change this thread's policy; only Linux has these, and some sandboxes forbid it."""
    with suppress(AttributeError, OSError):
        if os.sched_getscheduler(0) == getattr(os, old):
            os.sched_setscheduler(0, getattr(os, new), os.sched_param(0))
