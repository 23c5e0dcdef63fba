"""State dicts are read without running code, and anything else is refused."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from export_tools.errors import WeightsError
from export_tools.weights.state_dict import read_state_dict


def test_tensors_come_back_as_they_were(tmp_path: Path) -> None:
    torch.save({"a.weight": torch.ones(2, 3)}, tmp_path / "w.pth")
    read = read_state_dict(tmp_path / "w.pth")
    assert list(read) == ["a.weight"]
    assert torch.equal(read["a.weight"], torch.ones(2, 3))


class Hostile:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


def test_a_call_is_refused_and_not_made(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    torch.save({"a": Hostile(f"touch {marker}")}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="without running code"):
        read_state_dict(tmp_path / "w.pth")
    assert not marker.exists()


@pytest.mark.parametrize("data", [b"", b"text", b"PK\x03\x04"], ids=repr)
def test_other_files_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "w.pth").write_bytes(data)
    with pytest.raises(WeightsError):
        read_state_dict(tmp_path / "w.pth")


def test_a_checkpoint_around_the_state_dict_is_refused_by_name(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "state_dict": {"a": torch.ones(1)}}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="not tensors: epoch, state_dict"):
        read_state_dict(tmp_path / "w.pth")


def test_a_list_is_refused(tmp_path: Path) -> None:
    torch.save([torch.ones(1)], tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="holds a list"):
        read_state_dict(tmp_path / "w.pth")
