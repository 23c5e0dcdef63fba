"""What this box has measured of its own models, on its own and on demand.

On its own means: while no image is in work, one model after the other, on a thread of the lowest
priority that gives way before each run. A figure belongs to a file (by sha256) on a host, so a
model that comes back after a reload is not measured again; with a folder to keep them in, nor is
it after a restart.
"""

import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from service.engine.benchmark import Benchmark, Interrupted, at_once, measure
from service.engine.forecast import Forecast
from service.engine.host import Host
from service.engine.repository import ModelRepository, ModelState, ServedModel
from service.errors import BenchmarkRunning, FeatherboxError

_FILE = "benchmarks.json"
_QUIET_S = 5.0  # without an image, before the box counts as idle
_LOOK_EVERY_S = 0.05
_NEXT_MODEL_S = 1.0
_LOWEST_PRIORITY = 19

logger = logging.getLogger("featherbox.benchmarks")


class Benchmarks:
    """Measures the models of a repository and keeps the figures."""

    def __init__(
        self,
        repository: ModelRepository,
        host: Host,
        threads: int,
        busy: Callable[[], bool],
        *,
        folder: Path | None = None,
        quiet_s: float = _QUIET_S,
    ) -> None:
        """Read what an earlier process on this host measured, if there is a folder for it.

        Args:
            repository: the models.
            host: the box.
            threads: worker threads, for images per second.
            busy: whether images are in work.
            folder: where figures are kept; None keeps them in memory.
            quiet_s: how long the box must be idle before it measures on its own.
        """
        self.forecast = Forecast()
        self._repository = repository
        self._threads = threads
        self._busy = busy
        self._quiet_s = quiet_s
        self._file = folder / _FILE if folder else None
        facts = (host.cpu, host.isa, host.cpus, host.onnxruntime, threads)
        self._host = hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
        self._figures = self._read()
        self._measuring = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="benchmarks", daemon=True)

    def start(self) -> None:
        """Begin to measure whenever the box is idle."""
        self._thread.start()

    def close(self, timeout_s: float) -> None:
        """Stop at the next run."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def of(self, model: ServedModel) -> Benchmark | None:
        """Return what was measured of a model, if anything."""
        return self._figures.get(self._key(model)) if model.loaded else None

    def slower_than_parent(self, model: ServedModel) -> str | None:
        """Return a warning if an int8 model is slower here than the model it was made from."""
        manifest = model.loaded.manifest if model.loaded else None
        if manifest is None or manifest.precision != "int8" or not manifest.quality.parent:
            return None
        parent = next(
            (m for m in self._repository.models if m.name == manifest.quality.parent), None
        )
        mine, parents = self.of(model), self.of(parent) if parent else None
        if mine is None or parents is None or mine.batch1_ms <= parents.batch1_ms:
            return None
        return (
            f"It is slower here ({mine.batch1_ms:.2f} ms) than {manifest.quality.parent} "
            f"({parents.batch1_ms:.2f} ms): serve that one on this box."
        )

    def measure_now(self, model: ServedModel) -> Benchmark:
        """Measure a model on this thread, beside the requests that come.

        Raises:
            BenchmarkRunning: a model is being measured already.
            NotReady, ModelFailed: the model cannot run.
        """
        if not self._measuring.acquire(blocking=False):
            raise BenchmarkRunning("A model is being measured already: try again later.")
        try:
            figures = measure(model.require(), self._threads, wait_for_turn=at_once)
        finally:
            self._measuring.release()
        self._keep(model, figures)
        return figures

    def _run(self) -> None:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)
        while not self._stopping.wait(_NEXT_MODEL_S):
            model = self._next_unmeasured()
            if model is not None:
                self._measure_idle(model)

    def _next_unmeasured(self) -> ServedModel | None:
        ready = [m for m in self._repository.models if m.state is ModelState.READY]
        return next((m for m in ready if m.widened and self.of(m) is None), None)

    def _measure_idle(self, model: ServedModel) -> None:
        """Measure a model while nobody asks for anything; whatever happens, serving goes on."""
        try:
            self._wait_until_quiet()
            with self._measuring:
                figures = measure(model.require(), self._threads, wait_for_turn=self._give_way)
        except Interrupted:
            return
        except FeatherboxError as error:
            logger.warning("model %s cannot be measured: %s", model.name, error.detail)
            self._stopping.wait(self._quiet_s)
            return
        except Exception:
            logger.exception("model %s cannot be measured", model.name)
            self._stopping.set()
            return
        self._keep(model, figures)
        logger.info(
            "model %s measured: %.2f ms, %.0f images/s",
            model.name, figures.batch1_ms, figures.images_per_second,
        )  # fmt: skip

    def _wait_until_quiet(self) -> None:
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < self._quiet_s:
            if self._stopping.wait(_LOOK_EVERY_S):
                raise Interrupted
            if self._busy():
                quiet_since = time.monotonic()

    def _give_way(self) -> bool:
        """Wait while images are in work, and until some time after; tell whether there were any."""
        if self._stopping.is_set():
            raise Interrupted
        if not self._busy():
            return False
        self._wait_until_quiet()
        return True

    def _key(self, model: ServedModel) -> str:
        assert model.loaded
        manifest = model.loaded.manifest
        return f"{self._host}:{manifest.files[manifest.graph_file].sha256}"

    def _keep(self, model: ServedModel, figures: Benchmark) -> None:
        self._figures[self._key(model)] = figures
        self.forecast.expect(model.name, figures)
        if self._file is None:
            return
        document = {key: kept.to_dict() for key, kept in sorted(self._figures.items())}
        part = self._file.with_suffix(".part")
        try:
            part.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
            part.replace(self._file)
        except OSError as error:
            logger.warning("%s cannot be written: %s", self._file, error.strerror)

    def _read(self) -> dict[str, Benchmark]:
        """Return the figures of the file; one that is damaged or of another version is as none."""
        if self._file is None or not self._file.is_file():
            return {}
        try:
            document = json.loads(self._file.read_text(encoding="utf-8"))
            return {key: Benchmark.from_dict(figures) for key, figures in document.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            logger.warning("%s is unreadable and is made anew", self._file)
            return {}
