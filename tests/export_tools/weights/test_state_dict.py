"""State dicts are read without running code, and anything else is refused."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

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


@pytest.mark.parametrize("wrapper", ["state_dict", "model_state_dict", "model"])
def test_a_checkpoint_around_the_state_dict_is_opened(tmp_path: Path, wrapper: str) -> None:
    torch.save({"epoch": 3, wrapper: {"a": torch.ones(1)}}, tmp_path / "w.pth")
    assert list(read_state_dict(tmp_path / "w.pth")) == ["a"]


def test_the_prefix_of_parallel_training_is_taken_off(tmp_path: Path) -> None:
    torch.save({"module.a": torch.ones(1), "module.b.c": torch.ones(1)}, tmp_path / "w.pth")
    assert list(read_state_dict(tmp_path / "w.pth")) == ["a", "b.c"]


def test_what_is_no_tensor_is_named(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "a": torch.ones(1)}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="not tensors: epoch"):
        read_state_dict(tmp_path / "w.pth")


def test_safetensors_are_read(tmp_path: Path) -> None:
    save_file({"a.weight": torch.arange(6.0).reshape(2, 3)}, tmp_path / "w.safetensors")
    read = read_state_dict(tmp_path / "w.safetensors")
    assert torch.equal(read["a.weight"], torch.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize("data", [b"", b"text", b"\xff" * 64], ids=repr)
def test_broken_safetensors_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "w.safetensors").write_bytes(data)
    with pytest.raises(WeightsError, match="not a safetensors file"):
        read_state_dict(tmp_path / "w.safetensors")


def test_a_list_is_refused(tmp_path: Path) -> None:
    torch.save([torch.ones(1)], tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="holds a list"):
        read_state_dict(tmp_path / "w.pth")
