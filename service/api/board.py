"""A board in memory on which the processes of one service write what the others have to know.

Each process replaces its own small file as a whole; nobody else writes it. What is on the board
survives a process that crashed, so that counters never go back: its file is folded into one for
all that are gone by the next process that starts.
"""

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.api.merge import Families, merged_counters
from service.errors import SettingUnusable

_GONE = "gone.json"
_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder made in it is private


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

    @staticmethod
    def make_folder() -> Path:
        """Make a private folder, in memory where there is such a place.

        Raises:
            SettingUnusable: nowhere may be written.
        """
        for parent in (_MEMORY, None):
            try:
                return Path(tempfile.mkdtemp(prefix="featherbox-", dir=parent))
            except OSError:
                continue
        raise SettingUnusable("Several workers need a writable /dev/shm or temporary folder.")

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
