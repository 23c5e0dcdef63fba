"""Files inside installed distributions, found through their metadata: nothing is imported."""

from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from export_tools.errors import DataError


def installed_files(
    distribution: str, wanted: Callable[[str], bool], extra: str = "export"
) -> dict[str, Path]:
    """Return the files of a distribution whose path in it is wanted: path in it -> place on disk.

    `extra` is the one of ours that brings the distribution.

    Raises:
        DataError: the distribution is not installed.
    """
    try:
        files = metadata.distribution(distribution).files or []
    except metadata.PackageNotFoundError:
        raise DataError(
            f"{distribution} is not installed: pip install 'featherbox[{extra}]'"
        ) from None
    return {file.as_posix(): Path(str(file.locate())) for file in files if wanted(file.as_posix())}


def installed_version(distribution: str) -> str:
    """Return a distribution's version without its local part (`2.13.0+cpu` is `2.13.0`).

    Raises:
        DataError: the distribution is not installed.
    """
    try:
        return metadata.version(distribution).partition("+")[0]
    except metadata.PackageNotFoundError:
        raise DataError(
            f"{distribution} is not installed: pip install 'featherbox[export]'"
        ) from None
