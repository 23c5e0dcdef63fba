"""Inference sessions that do what a test tells them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from service.engine.repository import ServedModel
from service.engine.session import Session
from service.errors import ModelFailed

_MOST_S = 30.0


class GatedSession:
    """Runs another session, but only once its gate is open."""

    def __init__(self, inner: Session) -> None:
        self.providers = inner.providers
        self.gate = threading.Event()
        self.entered = threading.Semaphore(0)
        self.runs = 0
        self._inner = inner
        self._lock = threading.Lock()

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        with self._lock:
            self.runs += 1
        self.entered.release()
        assert self.gate.wait(_MOST_S), "nobody opened the gate"
        return self._inner.run(images)

    def wait_for_runs(self, count: int) -> None:
        """Wait until `count` more runs have begun."""
        for _ in range(count):
            assert self.entered.acquire(timeout=_MOST_S), "the run never began"


class BrokenSession:
    """Fails at every run, as a bug would."""

    def __init__(self, error: Exception) -> None:
        self.providers = ("CPUExecutionProvider",)
        self._error = error

    def run(self, _images: NDArray[np.uint8]) -> NDArray[np.float32]:
        raise self._error


class FlakySession:
    """Runs another session, or fails as the runtime does while `failing`."""

    def __init__(self, inner: Session) -> None:
        self.providers = inner.providers
        self.failing = False
        self._inner = inner

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        if self.failing:
            raise ModelFailed("The model failed while it was run.")
        return self._inner.run(images)


@contextmanager
def replaced_session(model: ServedModel, session: Session) -> Iterator[None]:
    """Let `model` run `session` for a while."""
    loaded = model.require()
    model.loaded = replace(loaded, session=session, lone_session=None)
    try:
        yield
    finally:
        model.loaded = loaded


@contextmanager
def gated(model: ServedModel) -> Iterator[GatedSession]:
    """Hold back all inferences of `model`; the gate opens at the end at the latest."""
    session = GatedSession(model.require().session)
    with replaced_session(model, session):
        try:
            yield session
        finally:
            session.gate.set()
