"""Waiting for a condition, bounded."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = 20.0) -> None:
    """Return once `condition` holds; fail with `what` if it never does."""
    give_up = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > give_up:
            raise AssertionError(f"still waiting after {timeout_s:g} s: {what}")
        time.sleep(0.002)
