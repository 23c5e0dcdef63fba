"""A draft becomes a version folder in a model repository: complete and tested, or not at all.

It is written to a hidden folder beside, loaded back through the engine as the server would,
self-tested, and only then renamed to its place. Servers and Triton skip hidden folders.
"""

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from export_tools.draft import Draft, check_name
from export_tools.errors import PublishError
from export_tools.triton import triton_config
from service.engine.artifact import checked_selftest, load_artifact
from service.engine.host import describe_host
from service.engine.manifest import CONFIG_FILE, MANIFEST_FILE, MEASURED_FILE
from service.engine.session import SessionOptions


def published_versions(repository: Path, name: str) -> list[int]:
    """Return the versions of a model that a repository holds, ascending."""
    folder = repository / name
    if not folder.is_dir():
        return []
    names = [entry.name for entry in folder.iterdir() if entry.is_dir()]
    return sorted(int(n) for n in names if n.isascii() and n.isdigit() and n[0] != "0")


def publish(
    draft: Draft, repository: Path, *, version: int | None = None, replace: bool = False
) -> Path:
    """Publish a draft.

    Args:
        draft: what to publish.
        repository: the folder of models; it is made if it is not there.
        version: an integer from 1; None takes the next free one.
        replace: whether a version that is there already may be replaced.

    Returns:
        The version folder.

    Raises:
        PublishError: the version is there already, or the folder cannot be written.
        ArtifactError: the engine refuses what was written, or its self-test fails.
    """
    name = draft.manifest.name
    check_name(name)
    versions = published_versions(repository, name)
    number = version if version is not None else max(versions, default=0) + 1
    if number in versions and not replace:
        raise PublishError(f"{name} has a version {number} already: use --replace to replace it.")
    draft = draft.with_version(number)
    try:
        with _hidden_folder(repository, name) as staging:
            _write_model(staging, draft)
            _test(staging / str(number))
            return _move_in(staging, repository / name, number)
    except OSError as error:
        raise PublishError(f"{name} cannot be written: {error.strerror}.") from error


@contextlib.contextmanager
def _hidden_folder(repository: Path, name: str) -> Iterator[Path]:
    """Make a folder beside the models, gone again afterwards whatever happens."""
    repository.mkdir(parents=True, exist_ok=True)
    folder = repository / f".{name}.{secrets.token_hex(4)}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_model(folder: Path, draft: Draft) -> None:
    version_folder = folder / str(draft.manifest.version)
    version_folder.mkdir()
    if draft.archive is None:  # Triton reads no archives
        _write(folder / CONFIG_FILE, triton_config(draft.manifest).encode("utf-8"))
    _write(version_folder / MANIFEST_FILE, draft.manifest.to_json().encode("utf-8"))
    measured = json.dumps(dict(draft.measured), indent=2, sort_keys=True) + "\n"
    _write(version_folder / MEASURED_FILE, measured.encode("utf-8"))
    for name, data in draft.files.items():
        _write(version_folder / name, data)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _test(version_folder: Path) -> None:
    checked_selftest(load_artifact(version_folder, SessionOptions()), describe_host())


def _move_in(staging: Path, model_folder: Path, number: int) -> Path:
    """Rename the tested folder to its place; a replaced version comes back if that fails."""
    target = model_folder / str(number)
    if not model_folder.exists():
        staging.rename(model_folder)
        return target
    replaced = staging / "replaced"
    if target.exists():
        target.rename(replaced)
    try:
        (staging / str(number)).rename(target)
    except OSError:
        if replaced.exists():
            replaced.rename(target)
        raise
    if number == published_versions(model_folder.parent, model_folder.name)[-1]:
        if (staging / CONFIG_FILE).exists():
            (staging / CONFIG_FILE).replace(model_folder / CONFIG_FILE)
        else:
            (model_folder / CONFIG_FILE).unlink(missing_ok=True)
    return target
