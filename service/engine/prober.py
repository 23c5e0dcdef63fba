"""Live inferences that show whether a model can answer now, on threads of their own.

A probe waits for no image and images for no probe. There is one at a time for each model, so
that those of a model that is stuck do not pile up.
"""

import threading
import time
import weakref
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from service.engine.artifact import LoadedModel
from service.engine.session import Session

# Whoever asks again this soon gets the same answer.
_YOUNG_S = 0.25


@dataclass(frozen=True, slots=True)
class Probe:
    """One inference: when it began, by `time.monotonic()`, and whether there was an answer."""

    session: "weakref.ref[Session]"
    started: float = field(default_factory=time.monotonic)
    answered: "Future[bool]" = field(default_factory=Future)

    def is_of(self, session: Session) -> bool:
        """Tell whether it is of that session and says something about it now."""
        young = time.monotonic() - self.started < _YOUNG_S
        return self.session() is session and (young or not self.answered.done())


class Prober:
    """Probes models; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest: dict[str, Probe] = {}
        self._running: dict[int, Probe] = {}

    def probe(self, model: LoadedModel) -> Probe:
        """Return the probe that is under way or a moment old, else begin one."""
        name, session = model.manifest.name, model.session
        with self._lock:
            latest = self._latest.get(name)
            if latest is not None and latest.is_of(session):
                return latest
            probe = self._latest[name] = Probe(weakref.ref(session))
            self._running[id(probe)] = probe
        thread = threading.Thread(
            target=self._run, args=(probe, model), name=f"probe-{name}", daemon=True
        )
        thread.start()
        return probe

    def running_s(self) -> list[float]:
        """Return how long each probe that is under way has taken so far, s."""
        now = time.monotonic()
        with self._lock:
            return [now - probe.started for probe in self._running.values()]

    def _run(self, probe: Probe, model: LoadedModel) -> None:
        height, width = model.manifest.input.height, model.manifest.input.width
        try:
            model.session.run(np.zeros((1, 3, height, width), np.uint8))
            answered, model.faults.count = True, 0
        except Exception:  # whatever a model does wrong; the session has logged it
            answered = False
            model.faults.add()
        with self._lock:
            del self._running[id(probe)]
        probe.answered.set_result(answered)
