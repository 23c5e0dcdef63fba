"""The model repository: a folder of models, found by name, each loaded and checked on its own.

Names are keys of a dictionary filled from the folder's listing; a name from a request is never
joined to a path. A model that fails is kept with its reason and the others serve.
"""

import logging
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np

from service.engine.artifact import LoadedModel, checked_selftest, load_artifact
from service.engine.host import Host
from service.engine.latency import LatencyWindow
from service.engine.memory import resident_bytes
from service.engine.session import SessionOptions
from service.errors import ArtifactError, FeatherboxError, ModelFailed, ModelNotFound, NotReady

_WARMUP_RUNS = 5

logger = logging.getLogger("featherbox.models")


class ModelState(StrEnum):
    """Where a model is on its way to serving."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass(slots=True)
class ServedModel:
    """One version of a model in this process, with what was measured of it here."""

    name: str
    version: int
    folder: Path
    window: LatencyWindow
    state: ModelState = ModelState.LOADING
    reason: str | None = None
    loaded: LoadedModel | None = None
    load_ms: float | None = None
    memory_bytes: int | None = None
    warmup_ms: float | None = None
    warnings: list[str] = field(default_factory=list)

    def require(self) -> LoadedModel:
        """Return the loaded model.

        Raises:
            NotReady: it is still being loaded.
            ModelFailed: it could not be loaded.
        """
        if self.loaded is not None and self.state is ModelState.READY:
            return self.loaded
        if self.state is ModelState.LOADING:
            raise NotReady(f"The model {self.name!r} is still being loaded.")
        raise ModelFailed(f"The model {self.name!r} failed to load; GET /models says why.")


class ModelRepository:
    """The models of one folder, by name."""

    def __init__(
        self,
        folder: Path,
        options: SessionOptions,
        host: Host,
        *,
        wanted: list[str] | None = None,
        window_seconds: float = 300.0,
    ) -> None:
        """List the folder; nothing is loaded yet.

        Args:
            folder: holds one folder a model, each with integer version folders.
            options: how sessions are made.
            host: the box, for warnings about int8.
            wanted: names to load, `name` or `name:version`; None loads all.
            window_seconds: length of the latency window.

        Raises:
            ArtifactError: the folder cannot be read, or a wanted model is not in it.
        """
        self._options = options
        self._host = host
        found = _list_versions(folder)
        chosen = _choose(found, wanted)
        self._models = {
            name: ServedModel(
                name, version, folder / name / str(version), LatencyWindow(window_seconds)
            )
            for name, version in sorted(chosen.items())
        }

    @property
    def models(self) -> list[ServedModel]:
        """All models, by name."""
        return list(self._models.values())

    def load_all(self) -> None:
        """Load, warm up and self-test every model, one after the other."""
        for model in self.models:
            self._load(model)

    def widen_all(self) -> None:
        """Give every model its session for lone images; making one holds up Python a moment."""
        for model in self.models:
            if model.loaded is not None:
                try:
                    model.loaded = model.loaded.widened(self._options)
                except FeatherboxError as error:
                    logger.warning("model %s has no lone session: %s", model.name, error.detail)

    def find(self, reference: str) -> ServedModel:
        """Return the model that `name` or `name:version` means, in whatever state it is.

        Raises:
            ModelNotFound: there is none of that name, or another version is served.
        """
        name, colon, version = reference.partition(":")
        model = self._models.get(name)
        if model is None:
            raise ModelNotFound("There is no such model: GET /models lists them.")
        if colon and version != str(model.version):
            raise ModelNotFound(f"Of {model.name!r} the version served is {model.version}.")
        return model

    def require_known(self, reference: str) -> None:
        """Refuse a model of the settings that is not in the repository.

        Raises:
            ArtifactError: names the models that are there.
        """
        try:
            self.find(reference)
        except ModelNotFound:
            raise _not_there(reference, self._models) from None

    def _load(self, model: ServedModel) -> None:
        before, started = resident_bytes(), time.perf_counter()
        try:
            loaded = load_artifact(model.folder, self._options)
            if (loaded.manifest.name, loaded.manifest.version) != (model.name, model.version):
                raise ArtifactError(
                    f"The manifest names {loaded.manifest.name}:{loaded.manifest.version}, "
                    f"the folder is {model.name}:{model.version}."
                )
            model.warnings = checked_selftest(loaded, self._host)
            model.warmup_ms = _warm_up(loaded)
        except FeatherboxError as error:
            model.reason, model.state = error.detail, ModelState.FAILED
            logger.error("model %s failed: %s", model.name, error.detail)
            return
        except Exception:  # whatever a model does wrong, the others serve
            model.reason, model.state = "It fails in an unknown way.", ModelState.FAILED
            logger.exception("model %s failed", model.name)
            return
        if self._options.providers[0] != loaded.session.providers[0]:
            model.warnings.append(
                f"{self._options.providers[0]} was asked for, "
                f"{loaded.session.providers[0]} is in use."
            )
        model.load_ms = (time.perf_counter() - started) * 1e3
        model.memory_bytes = max(0, resident_bytes() - before)
        model.loaded, model.state = loaded, ModelState.READY
        logger.info("model %s:%d ready in %.0f ms", model.name, model.version, model.load_ms)
        for warning in model.warnings:
            logger.warning("model %s: %s", model.name, warning)


def _list_versions(folder: Path) -> dict[str, list[int]]:
    """Return the version numbers of each model folder that has any."""
    try:
        entries = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    except OSError as error:
        raise ArtifactError(
            f"The model repository {str(folder)!r} cannot be read: {error.strerror}. "
            "Set FEATHERBOX_MODEL_REPOSITORY to the folder that holds the models."
        ) from error
    found = {}
    for entry in entries:
        if entry.name.startswith("."):
            continue
        versions = [int(sub.name) for sub in entry.iterdir() if _is_version(sub)]
        if versions:
            found[entry.name] = sorted(versions)
    return found


def _is_version(path: Path) -> bool:
    return path.name.isascii() and path.name.isdigit() and path.name[0] != "0" and path.is_dir()


def _choose(found: dict[str, list[int]], wanted: list[str] | None) -> dict[str, int]:
    """Return the version to serve of each model: the pinned one, else the highest."""
    if wanted is None:
        return {name: versions[-1] for name, versions in found.items()}
    chosen = {}
    for reference in wanted:
        name, colon, version = reference.partition(":")
        versions = found.get(name, [])
        if not versions or (colon and version not in map(str, versions)):
            raise _not_there(reference, found)
        chosen[name] = int(version) if colon else versions[-1]
    return chosen


def _not_there(reference: str, found: Iterable[str]) -> ArtifactError:
    return ArtifactError(
        f"The model {reference!r} is not in the model repository, which has "
        f"{', '.join(found) or 'no models'}."
    )


def _warm_up(model: LoadedModel) -> float:
    """Run a few inferences so that the first request pays nothing; return their median, ms."""
    shape = (1, 3, model.manifest.input.height, model.manifest.input.width)
    planes = np.full(shape, 127, np.uint8)
    spent = []
    for _ in range(_WARMUP_RUNS):
        started = time.perf_counter()
        model.session.run(planes)
        spent.append((time.perf_counter() - started) * 1e3)
    return statistics.median(spent)
