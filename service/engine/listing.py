"""What lies in the folder of the model repository: models, versions, and whether files changed."""

from collections.abc import Iterable
from pathlib import Path

from service.errors import ArtifactError

# Timings of the exporting host are outside every hash and comparison.
_NOT_COMPARED = frozenset({"measured.json"})

Fingerprint = tuple[tuple[str, int, int, int], ...]


def list_versions(folder: Path) -> dict[str, list[int]]:
    """Return the version numbers of each model folder that has any, ascending.

    Raises:
        ArtifactError: the folder cannot be read.
    """
    try:
        found = {
            entry.name: sorted(_versions_in(entry))
            for entry in sorted(folder.iterdir())
            if not entry.name.startswith(".") and entry.is_dir()
        }
    except OSError as error:
        raise ArtifactError(
            f"The model repository {str(folder)!r} cannot be read: {error.strerror}. "
            "Set FEATHERBOX_MODEL_REPOSITORY to the folder that holds the models."
        ) from error
    return {name: versions for name, versions in found.items() if versions}


def candidates(found: dict[str, list[int]], wanted: list[str] | None) -> dict[str, list[int]]:
    """Return by model the versions that may serve, best first.

    Args:
        found: what `list_versions` returned.
        wanted: `name` or `name:version`, which pins it; None means all.
    """
    if wanted is None:
        return {name: versions[::-1] for name, versions in found.items()}
    chosen = {}
    for reference in wanted:
        name, colon, version = reference.partition(":")
        versions = [v for v in found.get(name, [])[::-1] if not colon or str(v) == version]
        if versions:
            chosen[name] = versions
    return chosen


def check_wanted(found: dict[str, list[int]], wanted: list[str] | None) -> None:
    """Refuse settings that want what is not there.

    Raises:
        ArtifactError: names the models that are there.
    """
    for reference in wanted or ():
        if not candidates(found, [reference]):
            raise not_there(reference, found)


def not_there(reference: str, found: Iterable[str]) -> ArtifactError:
    """Return the error about a model that the settings name and that is not there."""
    return ArtifactError(
        f"The model {reference!r} is not in the model repository, which has "
        f"{', '.join(found) or 'no models'}."
    )


def fingerprint(version_folder: Path) -> Fingerprint:
    """Return name, inode, size in bytes and time of change of each file; nothing is read."""
    try:
        entries = sorted(version_folder.iterdir())
        facts = [(entry.name, entry.lstat()) for entry in entries]
    except OSError:
        return ()
    return tuple(
        (name, status.st_ino, status.st_size, status.st_mtime_ns)
        for name, status in facts
        if name not in _NOT_COMPARED
    )


def _versions_in(folder: Path) -> list[int]:
    try:
        return [int(entry.name) for entry in folder.iterdir() if _is_version(entry)]
    except FileNotFoundError:  # it was removed since it was listed
        return []


def _is_version(path: Path) -> bool:
    return path.name.isascii() and path.name.isdigit() and path.name[0] != "0" and path.is_dir()
