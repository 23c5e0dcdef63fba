"""Counts failed inferences in a row, so that a model that always fails is set aside."""

from collections.abc import Callable


def _ignore() -> None:
    """Stand in for a callback that nobody gave."""


class Faults:
    """Failed inferences of one model in a row; whoever has an answer sets `count` to 0.

    Only the model's own failures count: a damaged image says nothing about it. Several threads
    may count at once; a lost step does not matter.
    """

    __slots__ = ("_limit", "_on_limit", "count")

    def __init__(self) -> None:
        self.count = 0
        self._limit = 0
        self._on_limit: Callable[[], object] = _ignore

    def arm(self, limit: int, on_limit: Callable[[], object]) -> None:
        """Call `on_limit` at `limit` failures in a row and at each more; 0 is never."""
        self._limit, self._on_limit = limit, on_limit

    def disarm(self) -> None:
        """Let go of what is called; whoever still infers with an old model calls nobody."""
        self.arm(0, _ignore)

    def add(self) -> None:
        """Count one failure."""
        self.count += 1
        if self._limit and self.count >= self._limit:
            self._on_limit()
