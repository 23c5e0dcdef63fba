"""Photos in the file system: those of a folder, and those that a camera drops into one."""

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

_Look = dict[Path, tuple[int, int]]

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".webp", ".gif", ".bmp"})


def expand(paths: Iterable[Path]) -> list[Path]:
    """Return the files as they are, and in place of each folder the photos in it, by name.

    Folders are searched at any depth; hidden files and folders are passed over.
    """
    found: list[Path] = []
    for path in paths:
        found.extend(sorted(_photos_under(path)) if path.is_dir() else [path])
    return found


def watch(folder: Path, stop: threading.Event, every_s: float = 0.5) -> Iterator[Path]:
    """Follow a folder: each photo that appears or changes in it, once it has been written.

    A file counts as written when its size and time of change were the same at two looks in
    succession. The folder is looked at again and again, which also works on network shares,
    where the system tells of no changes. What is there when it is called is passed over.

    Args:
        folder: the folder; those inside it are watched too.
        stop: ends the watch when set.
        every_s: seconds between two looks.

    Raises:
        OSError: the folder cannot be read.
    """
    return _changes(folder, _look(folder), stop, every_s)


def _changes(folder: Path, first: _Look, stop: threading.Event, every_s: float) -> Iterator[Path]:
    done = before = first
    while not stop.wait(every_s):
        now = _look(folder)
        for path in sorted(now):
            if now[path] == before.get(path) != done.get(path):
                done[path] = now[path]
                yield path
        done = {path: seen for path, seen in done.items() if path in now}
        before = now


def _look(folder: Path) -> _Look:
    """Return size and time of change, ns, of every photo."""
    if not folder.is_dir():
        raise NotADirectoryError(20, "no such folder", str(folder))
    seen = {}
    for path in _photos_under(folder):
        try:
            facts = path.stat()
        except OSError:  # gone meanwhile
            continue
        seen[path] = (facts.st_size, facts.st_mtime_ns)
    return seen


def _photos_under(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inside.parts)
        if path.suffix.lower() in SUFFIXES and not hidden and path.is_file():
            yield path
