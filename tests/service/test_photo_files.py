"""Photos of a folder, and those that appear in one."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.photo_files import expand, watch


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Return a stop event for watches that look again at once."""
    stop = threading.Event()
    monkeypatch.setattr(stop, "wait", lambda _seconds: stop.is_set())
    yield stop
    stop.set()


def test_files_stay_as_they_are_and_folders_give_their_photos_by_name(tmp_path: Path) -> None:
    for name in ("z.JPG", "a.webp", "deep/er/m.png", "readme.md", ".thumb.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    given = [tmp_path / "readme.md", tmp_path, Path("missing.jpg")]
    assert [path.name for path in expand(given)] == [
        "readme.md", "a.webp", "m.png", "z.JPG", "missing.jpg",
    ]  # fmt: skip


def test_what_was_there_is_passed_over_and_what_comes_is_told_once(
    tmp_path: Path, looks: threading.Event
) -> None:
    (tmp_path / "old.jpg").write_bytes(b"old")
    told = watch(tmp_path, looks)
    for name in ("new.jpg", "newer.jpg"):
        (tmp_path / name).write_bytes(b"new")
        assert next(told).name == name


def test_a_photo_that_still_grows_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, stop = tmp_path / "slow.jpg", threading.Event()
    looked: list[int] = []

    def between_looks(_seconds: float) -> bool:
        looked.append(len(looked))
        if len(looked) <= 4:
            path.write_bytes(b"x" * len(looked))
        return False

    monkeypatch.setattr(stop, "wait", between_looks)
    assert next(watch(tmp_path, stop)) == path
    assert path.stat().st_size == 4
    assert len(looked) == 5


def test_a_photo_that_is_replaced_is_told_again(tmp_path: Path, looks: threading.Event) -> None:
    told = watch(tmp_path, looks)
    path = tmp_path / "snapshot.jpg"
    for number in (1, 2):
        fresh = tmp_path / "fresh.part"
        fresh.write_bytes(b"x")
        os.utime(fresh, ns=(number, number))
        fresh.replace(path)
        assert next(told) == path


def test_a_watched_folder_must_be_there(tmp_path: Path, looks: threading.Event) -> None:
    with pytest.raises(NotADirectoryError):
        watch(tmp_path / "gone", looks)
