"""Micro-batching: images of one model that are ready at about the same time share one inference.

There is no thread of its own: the first image that is ready gathers the next ones on its worker
thread, runs them all and hands out the answers. It waits only for images that are being decoded
already, and never longer than `max_delay_s`, so a lone image is never delayed. Each model has a
batcher of its own: no model's images wait for another's.

Knows no runtime and no HTTP. It pays where a batch costs less than its images one by one; on CPUs
it does not (docs/performance.md).
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from service.engine.session import Session

_Planes = NDArray[np.uint8]
_Probabilities = NDArray[np.float32]


class _Batch:
    """The images of one run; guarded by the batcher's lock until it is closed."""

    __slots__ = ("began", "done", "planes", "probabilities")

    def __init__(self) -> None:
        self.planes: list[_Planes] = []
        self.began = 0.0  # `time.perf_counter()` of the run
        self.probabilities: _Probabilities | None = None  # None after a failure, too
        self.done = threading.Event()


class Seat:
    """One image's place in a batch to come: a `Session` that takes one image, once."""

    __slots__ = ("_batcher", "ready", "waited_ms")

    def __init__(self, batcher: "Batcher") -> None:
        self._batcher = batcher
        self.ready = False  # its planes are there
        self.waited_ms = 0.0

    @property
    def providers(self) -> tuple[str, ...]:
        """Execution providers in use, best first."""
        return self._batcher.session.providers

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classify uint8 [1, 3, height, width] into float32 [1, classes], with others or alone.

        Raises:
            ModelFailed: the session could not run it alone either.
        """
        return self._batcher.run(self, images)


class Batcher:
    """Gathers up to `max_batch` images of one model into one run of its session; thread-safe."""

    def __init__(self, session: Session, max_batch: int, max_delay_s: float) -> None:
        self.session = session
        self.max_batch = max_batch
        self._max_delay_s = max_delay_s
        self._changed = threading.Condition()
        self._coming = 0  # images announced whose planes are not there yet
        self._open: _Batch | None = None  # the batch that still takes images

    @contextmanager
    def seat(self) -> Iterator[Seat]:
        """Announce an image before it is decoded, so that those that are ready wait for it."""
        seat = Seat(self)
        with self._changed:
            self._coming += 1
        try:
            yield seat
        finally:
            if not seat.ready:  # it could not be decoded
                with self._changed:
                    self._coming -= 1
                    self._changed.notify_all()

    def run(self, seat: Seat, planes: _Planes) -> _Probabilities:
        """Run an image that was announced; see `Seat.run`."""
        started = time.perf_counter()
        with self._changed:
            seat.ready = True
            self._coming -= 1
            leads = self._open is None
            batch = self._open = self._open or _Batch()
            place = len(batch.planes)
            batch.planes.append(planes)
            if leads:
                self._gather(batch)
            else:
                self._changed.notify_all()
                if len(batch.planes) == self.max_batch:
                    self._open = None
        if leads:
            self._run(batch)
        batch.done.wait()
        seat.waited_ms = (batch.began - started) * 1e3
        if batch.probabilities is None:
            # What one batch failed for (its size, another's memory) need not fail this image.
            return self.session.run(planes)
        return batch.probabilities[place : place + 1]

    def _gather(self, batch: _Batch) -> None:
        """Wait with the lock held: till the batch is full, nobody is coming or time is up."""
        until = time.monotonic() + self._max_delay_s
        while self._coming and len(batch.planes) < self.max_batch:
            left_s = until - time.monotonic()
            if left_s <= 0 or not self._changed.wait(left_s):
                break
        if self._open is batch:
            self._open = None

    def _run(self, batch: _Batch) -> None:
        planes = batch.planes
        batch.began = time.perf_counter()
        try:
            together = planes[0] if len(planes) == 1 else np.concatenate(planes)
            batch.probabilities = self.session.run(together)
        except Exception:  # of several, each is run again alone (see `run`), and fails there or not
            if len(planes) == 1:
                raise
        finally:
            batch.planes = []
            batch.done.set()


def make_batcher(session: Session, max_batch: int, max_delay_s: float) -> Batcher | None:
    """Return a batcher for a session, or None where images go one by one.

    Args:
        session: of one model.
        max_batch: images of one run at most; 0 is 1 on the CPU and 8 elsewhere.
        max_delay_s: longest wait for images that are being decoded.
    """
    if max_batch == 0:
        max_batch = 1 if session.providers[0] == _CPU else _ELSEWHERE
    return Batcher(session, max_batch, max_delay_s) if max_batch > 1 else None


_CPU = "CPUExecutionProvider"
_ELSEWHERE = 8
