"""The model repository: a folder of models, found by name, each loaded and checked on its own.

Names are keys of a dictionary filled from the folder's listing; a name from a request is never
joined to a path. A model that fails is kept with its reason and the others serve. What changed
in the folder is taken over by `reload`: whoever holds the old version finishes with it.
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path

from service.engine.host import Host
from service.engine.latency import LatencyWindow
from service.engine.listing import (
    candidates,
    check_wanted,
    fingerprint,
    list_versions,
    not_there,
)
from service.engine.served import ModelState, Refused, ServedModel
from service.engine.session import SessionOptions
from service.errors import ArtifactError, ModelNotFound

__all__ = ["ModelRepository", "ModelState", "ServedModel"]

logger = logging.getLogger("featherbox.models")


def _ignore() -> None:
    """Stand in for a callback that nobody gave."""


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
        quarantine_after: int = 0,
    ) -> None:
        """List the folder; nothing is loaded yet.

        Args:
            folder: holds one folder a model, each with integer version folders.
            options: how sessions are made.
            host: the box, for warnings about int8.
            wanted: names to load, `name` or `name:version`; None loads all.
            window_seconds: length of the latency window.
            quarantine_after: failed inferences in a row after which a model is set aside;
                0 is never.

        Raises:
            ArtifactError: the folder cannot be read, or a wanted model is not in it.
        """
        self.on_quarantine: Callable[[], object] = _ignore
        self._folder = folder
        self._options = options
        self._host = host
        self._wanted = wanted
        self._window_seconds = window_seconds
        self._quarantine_after = quarantine_after
        self._reloading = threading.Lock()
        self._changes = 0
        found = list_versions(folder)
        check_wanted(found, wanted)
        # Replaced as a whole when it changes, so that readers need no lock.
        self._models: dict[str, ServedModel] = {
            name: self._new(name, versions[0])
            for name, versions in sorted(candidates(found, wanted).items())
        }

    @property
    def models(self) -> list[ServedModel]:
        """All models, by name."""
        return list(self._models.values())

    def load_all(self) -> None:
        """Load, warm up and self-test every model, one after the other."""
        self.reload(retry=True)

    def reload(self, *, retry: bool) -> bool:
        """Bring what is served up to the folder; takes as long as loading what is new.

        Of each model the highest version that passes its checks serves, or the pinned one. A
        version is swapped in once it is ready; until then, or if it is refused, the old one
        serves on. A model without a folder is unloaded. A folder that cannot be listed changes
        nothing.

        Args:
            retry: try what was refused or has failed once more, though its files are the same.

        Returns:
            Whether another version of any model serves than before, or one is gone.
        """
        with self._reloading:
            before = self._changes
            try:
                chosen = candidates(list_versions(self._folder), self._wanted)
            except ArtifactError as error:
                logger.error("%s What is loaded serves on.", error.detail)
                return False
            for name in self._models.keys() - chosen.keys():
                self._unload(name)
            for name, versions in sorted(chosen.items()):
                self._bring_up(name, versions, retry)
            return self._changes != before

    def widen_all(self) -> None:
        """Give every model its session for lone images; making one holds up Python a moment."""
        for model in self.models:
            model.widen(self._options)

    def retry_quarantined(self) -> float:
        """Try models that were set aside and whose time has come; back they are if they answer.

        Returns:
            The `time.monotonic()` of the next one's turn; infinity if none waits.
        """
        for model in self.models:
            if model.retry_at <= time.monotonic():
                model.retry(self._host)
        return min((model.retry_at for model in self.models), default=math.inf)

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
            raise not_there(reference, self._models) from None

    def _bring_up(self, name: str, versions: list[int], retry: bool) -> None:
        """Let the first of `versions` that can serve do so; remember why others cannot."""
        if name not in self._models:
            self._put(self._new(name, versions[0]))  # listed as loading meanwhile
        current = self._models[name]
        known = {refused.version: refused for refused in current.refused}
        if current.state is ModelState.FAILED and current.loaded is None:
            known[current.version] = Refused(current.version, current.reason or "", current.files)
        refused: list[Refused] = []
        for version in versions:
            fresh = self._new(name, version)
            stays = current.loaded is not None and version == current.version
            healthy = current.state is ModelState.READY or not retry
            if stays and fresh.files == current.files and healthy:
                break
            before = known.get(version)
            if before is not None and before.files == fresh.files and not retry:
                refused.append(before)
            else:
                fresh.load(self._options, self._host)
                if fresh.loaded is not None:
                    self._swap_in(fresh, refused)
                    return
                refused.append(Refused(version, fresh.reason or "", fresh.files))
            if stays:
                break
        self._keep(current, refused)

    def _keep(self, current: ServedModel, refused: list[Refused]) -> None:
        """Let a loaded model serve on beside refused versions, or list it as failed."""
        if current.loaded is not None:
            current.refused = refused
            return
        first, *others = refused
        failed = self._new(current.name, first.version)
        failed.state, failed.reason, failed.files = ModelState.FAILED, first.reason, first.files
        failed.refused = others
        self._put(failed)

    def _new(self, name: str, version: int) -> ServedModel:
        folder = self._folder / name / str(version)
        window = LatencyWindow(self._window_seconds)
        return ServedModel(name, version, folder, window, fingerprint(folder))

    def _swap_in(self, fresh: ServedModel, refused: list[Refused]) -> None:
        def set_aside() -> None:
            fresh.set_aside()
            self.on_quarantine()

        fresh.require().faults.arm(self._quarantine_after, set_aside)
        fresh.refused = refused
        old = self._models[fresh.name]
        self._put(fresh)
        self._changes += 1
        _retire(old)
        if old.loaded is not None:
            logger.info("model %s:%d replaces version %d", fresh.name, fresh.version, old.version)

    def _put(self, model: ServedModel) -> None:
        self._models = dict(sorted({**self._models, model.name: model}.items()))

    def _unload(self, name: str) -> None:
        _retire(self._models[name])
        self._models = {key: model for key, model in self._models.items() if key != name}
        self._changes += 1
        logger.warning("model %s is not in the repository any more and is unloaded", name)


def _retire(model: ServedModel) -> None:
    """Break the circle of references, so that its memory goes with its last request."""
    if model.loaded is not None:
        model.loaded.faults.disarm()
