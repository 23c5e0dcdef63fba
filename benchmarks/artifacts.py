"""Temporary model repositories: another filter in the manifest, or several copies of a model.

Only the files that a manifest lists are hashed, not the manifest itself, so a copy with another
manifest is a valid artifact. Its self-test is measured anew.
"""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.engine import Model, manifest_of, version_folder
from service.engine.manifest import MANIFEST_FILE, InputPolicy, Manifest

RIVALS_POLICY = InputPolicy(height=224, width=224, resize_shorter=256, interpolation="bilinear")


@contextlib.contextmanager
def bilinear_copy(repository: Path, name: str) -> Iterator[Path]:
    """Yield a repository with one model that preprocesses as the rivals do: bilinear, 256/224."""
    with tempfile.TemporaryDirectory(prefix="featherbox-bench-") as folder:
        copy = Path(folder)
        changed = manifest_of(repository, name).model_copy(update={"input": RIVALS_POLICY})
        target = _copy(repository, name, copy / name, changed)
        model = Model(copy, name)
        answer = model.classify(model.selftest_photo)
        selftest = changed.selftest.model_copy(
            update={
                "index": answer.index,
                "label": answer.label,
                "probability": answer.probability,
            }
        )
        _write(target, changed.model_copy(update={"selftest": selftest}))
        yield copy


@contextlib.contextmanager
def copies(repository: Path, name: str, count: int) -> Iterator[Path]:
    """Yield a repository with `count` copies of a model, named copy-1, copy-2 and so on."""
    with tempfile.TemporaryDirectory(prefix="featherbox-bench-") as folder:
        manifest = manifest_of(repository, name)
        for number in range(1, count + 1):
            new = f"copy-{number}"
            changed = manifest.model_copy(update={"name": new})
            _copy(repository, name, Path(folder) / new, changed)
        yield Path(folder)


def _copy(repository: Path, name: str, target: Path, manifest: Manifest) -> Path:
    version = version_folder(repository, name)
    folder = target / version.name
    shutil.copytree(version, folder)
    _write(folder, manifest)
    return folder


def _write(folder: Path, manifest: Manifest) -> None:
    (folder / MANIFEST_FILE).write_text(manifest.to_json(), encoding="utf-8")
