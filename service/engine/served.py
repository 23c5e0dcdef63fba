"""One version of a model in this process: its state, and what was measured of it here."""

import logging
import math
import statistics
import time
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np

from service.engine.artifact import LoadedModel, checked_selftest, load_artifact
from service.engine.host import Host
from service.engine.latency import LatencyWindow
from service.engine.listing import Fingerprint
from service.engine.memory import resident_bytes
from service.engine.session import Session, SessionOptions
from service.errors import ArtifactError, FeatherboxError, ModelFailed, NotReady

_WARMUP_RUNS = 5
_FIRST_RETRY_S = 1.0
_LONGEST_RETRY_S = 300.0

logger = logging.getLogger("featherbox.models")


class ModelState(StrEnum):
    """Where a model is on its way to serving."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Refused:
    """A version that is in the repository and does not serve, as its files were then."""

    version: int
    reason: str
    files: Fingerprint


@dataclass(slots=True)
class ServedModel:
    """One version of a model in this process, with what was measured of it here.

    `loaded` of a failed model is there if it was ready once and then failed at inference.
    """

    name: str
    version: int
    folder: Path
    window: LatencyWindow
    files: Fingerprint = ()
    state: ModelState = ModelState.LOADING
    reason: str | None = None
    loaded: LoadedModel | None = None
    load_ms: float | None = None
    memory_bytes: int | None = None
    warmup_ms: float | None = None
    widened: bool = False
    retry_at: float = math.inf
    retry_delay_s: float = 0.0
    warnings: list[str] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    def require(self) -> LoadedModel:
        """Return the loaded model.

        Raises:
            NotReady: it is still being loaded.
            ModelFailed: it could not be loaded, or failed at every inference.
        """
        if self.loaded is not None and self.state is ModelState.READY:
            return self.loaded
        if self.state is ModelState.LOADING:
            raise NotReady(f"The model {self.name!r} is still being loaded.")
        raise ModelFailed(f"The model {self.name!r} has failed; GET /models says why.")

    def load(self, options: SessionOptions, host: Host) -> None:
        """Load, self-test and warm up; the outcome is the state and its reason."""
        before, started = resident_bytes(), time.perf_counter()
        try:
            loaded = load_artifact(self.folder, options)
            if (loaded.manifest.name, loaded.manifest.version) != (self.name, self.version):
                raise ArtifactError(
                    f"The manifest names {loaded.manifest.name}:{loaded.manifest.version}, "
                    f"the folder is {self.name}:{self.version}."
                )
            self.warnings = checked_selftest(loaded, host)
            self.warmup_ms = _warm_up(loaded)
        except FeatherboxError as error:
            self.reason, self.state = error.detail, ModelState.FAILED
            logger.error("model %s:%d failed: %s", self.name, self.version, error.detail)
            return
        except Exception:  # whatever a model does wrong, the others serve
            self.reason, self.state = "It fails in an unknown way.", ModelState.FAILED
            logger.exception("model %s:%d failed", self.name, self.version)
            return
        if options.providers[0] != loaded.session.providers[0]:
            self.warnings.append(
                f"{options.providers[0]} was asked for, {loaded.session.providers[0]} is in use."
            )
        self.load_ms = (time.perf_counter() - started) * 1e3
        self.memory_bytes = max(0, resident_bytes() - before)
        self.loaded, self.state = loaded, ModelState.READY
        logger.info("model %s:%d ready in %.0f ms", self.name, self.version, self.load_ms)
        for warning in self.warnings:
            logger.warning("model %s: %s", self.name, warning)

    def set_aside(self) -> None:
        """Stop answering with a model that failed at several inferences in a row.

        The first retry is due at once: if some images made it fail, others need not.
        """
        if self.state is ModelState.READY:
            self.reason = "It failed at every one of the last inferences; it is tried again."
            self.state, self.retry_at = ModelState.FAILED, 0.0
            logger.error("model %s:%d keeps failing and is set aside", self.name, self.version)

    def retry(self, host: Host) -> None:
        """Answer again if the self-test passes now, else wait twice as long for the next retry."""
        if self.loaded is None:
            return
        try:
            checked_selftest(self.loaded, host)
            for session in filter(None, (self.loaded.session, self.loaded.lone_session)):
                _run_once(self.loaded, session)
        except Exception:  # whatever a model does wrong, the others serve
            delay_s = min(self.retry_delay_s * 2 or _FIRST_RETRY_S, _LONGEST_RETRY_S)
            self.retry_delay_s, self.retry_at = delay_s, time.monotonic() + delay_s
            logger.warning("model %s still fails, next try in %.0f s", self.name, delay_s)
            return
        self.loaded.faults.count, self.retry_at, self.retry_delay_s = 0, math.inf, 0.0
        self.reason, self.state = None, ModelState.READY
        logger.info("model %s:%d answers again", self.name, self.version)

    def widen(self, options: SessionOptions) -> None:
        """Give the model its session for lone images, once."""
        if self.loaded is None or self.widened:
            return
        self.widened = True
        try:
            self.loaded = self.loaded.widened(options)
        except FeatherboxError as error:
            logger.warning("model %s has no lone session: %s", self.name, error.detail)
        except Exception:  # no memory for it, say: the model serves without
            logger.exception("model %s has no lone session", self.name)


def _warm_up(model: LoadedModel) -> float:
    """Run a few inferences so that the first request pays nothing; return their median, ms."""
    return statistics.median(_run_once(model, model.session) for _ in range(_WARMUP_RUNS))


def _run_once(model: LoadedModel, session: Session) -> float:
    """Classify a grey picture; return the time it took, ms."""
    shape = (1, 3, model.manifest.input.height, model.manifest.input.width)
    planes = np.full(shape, 127, np.uint8)
    started = time.perf_counter()
    session.run(planes)
    return (time.perf_counter() - started) * 1e3
