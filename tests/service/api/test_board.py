"""The board of several processes: folders come and go, counters of the dead stay."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.api import board
from service.api.board import Board, board_folder
from service.api.merge import Families

COUNTED: Families = [
    ("asked", "counter", "Requests.", [("asked_total", {"model": "a"}, 3.0)]),
    ("busy", "gauge", "Threads.", [("busy", {}, 2.0)]),
]


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "_MEMORY", tmp_path)


def write_as_another(folder: Path) -> None:
    """Let a process that ends at once write on the board."""
    code = (
        "import sys; from pathlib import Path; from service.api.board import Board;"
        "from tests.service.api.test_board import COUNTED;"
        "Board(Path(sys.argv[1])).write(COUNTED, {'m': []}, {})"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True, timeout=60)


def test_a_folder_is_private_and_goes_with_its_maker(tmp_path: Path) -> None:
    with board_folder() as folder:
        assert folder.parent == tmp_path
        assert folder.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == []


def test_a_folder_whose_maker_was_killed_is_removed_and_one_in_use_is_not(tmp_path: Path) -> None:
    left = tmp_path / "featherbox-left"
    left.mkdir()
    (left / "held").write_text("")
    with board_folder() as first, board_folder() as second:
        assert set(tmp_path.iterdir()) == {first, second}


def test_counters_of_a_process_that_is_gone_stay_and_its_gauges_go() -> None:
    with board_folder() as folder:
        write_as_another(folder)
        own = Board(folder)
        own.write(COUNTED, {}, {})
        (gone,) = own.read_others()
        assert not gone.alive
        assert [(name, samples[0][2]) for name, _, _, samples in gone.metrics] == [("asked", 3.0)]
        write_as_another(folder)
        Board(folder)
        (gone,) = own.read_others()
        assert [samples[0][2] for *_, samples in gone.metrics] == [6.0]
        assert (folder / f"{os.getpid()}.json").exists()
