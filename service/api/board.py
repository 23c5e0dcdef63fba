"""A board in memory on which the processes of one service write what the others have to know.

Each process replaces its own small file as a whole; nobody else writes it. What is on the board
survives a process that crashed, so that counters never go back: its file is folded into one for
all that are gone by the next process that starts.
"""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.api.merge import Families, merged_counters
from service.errors import SettingUnusable

_PREFIX = "featherbox-"
_HELD = "held"  # locked by whoever made the folder, until it ends in whatever way
_GONE = "gone.json"
_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder made in it is private


@contextmanager
def board_folder() -> Iterator[Path]:
    """Make a private folder, in memory where there is such a place, and remove it at the end.

    Whoever makes one also removes those whose maker was killed.

    Raises:
        SettingUnusable: nowhere may be written.
    """
    for parent in (_MEMORY, Path(tempfile.gettempdir())):
        try:
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
            break
        except OSError:
            continue
    else:
        raise SettingUnusable("Several workers need a writable /dev/shm or temporary folder.")
    with (folder / _HELD).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        _sweep(folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _sweep(own: Path) -> None:
    for folder in own.parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # somebody else's, held, or not yet
            with (folder / _HELD).open("r+") as held:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)


@dataclass(frozen=True, slots=True)
class Notice:
    """What one process wrote; of those that are gone only counters."""

    alive: bool
    metrics: Families
    windows: dict[str, Any]
    models: dict[str, Any]


class Board:
    """The board in `folder`, for the process that makes this object."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own = folder / f"{os.getpid()}.json"
        with self._locked(fcntl.LOCK_EX):
            self._fold()

    def write(self, metrics: Families, windows: dict[str, Any], models: dict[str, Any]) -> None:
        """Replace what this process has on the board."""
        _replace(self._own, {"metrics": metrics, "windows": windows, "models": models})

    def read_others(self) -> list[Notice]:
        """Return what the other processes wrote last."""
        with self._locked(fcntl.LOCK_SH):
            return [
                Notice(_is_alive(path), **json.loads(path.read_bytes()))
                for path in self._files()
                if path != self._own
            ]

    def _fold(self) -> None:
        """Put the counters of processes that are gone into one file."""
        gone = [path for path in self._files() if not _is_alive(path)]
        families = merged_counters(json.loads(path.read_bytes())["metrics"] for path in gone)
        _replace(self._folder / _GONE, {"metrics": families, "windows": {}, "models": {}})
        for path in gone:
            if path.name != _GONE:
                path.unlink()

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*.json"))

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        with (self._folder / "lock").open("a") as lock:
            fcntl.flock(lock, how)
            yield


def _is_alive(path: Path) -> bool:
    return path.name != _GONE and Path(f"/proc/{path.stem}").exists()


def _replace(path: Path, document: dict[str, Any]) -> None:
    written = path.with_suffix(".new")
    written.write_text(json.dumps(document, separators=(",", ":")), encoding="utf-8")
    written.replace(path)
