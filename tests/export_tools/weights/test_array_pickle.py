"""The pickle reader admits arrays of floats and nothing else."""

import builtins
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export_tools.errors import WeightsError
from export_tools.weights.array_pickle import read_array_pickle


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


KERNEL = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
BIAS = np.array([0.5, -1.0], np.float64)


@pytest.mark.parametrize("protocol", [3, 4])
def test_arrays_come_back_as_they_were(tmp_path: Path, protocol: int) -> None:
    data = pickle.dumps({"conv": [KERNEL, BIAS]}, protocol=protocol)
    read = read_array_pickle(write(tmp_path / "w.pkl", data))
    np.testing.assert_array_equal(read["conv"][0], KERNEL)
    np.testing.assert_array_equal(read["conv"][1], BIAS)
    assert read["conv"][0].dtype == np.float32


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_protocols_that_need_other_globals_are_refused(tmp_path: Path, protocol: int) -> None:
    data = pickle.dumps({"conv": [KERNEL, BIAS]}, protocol=protocol)
    with pytest.raises(WeightsError, match="nothing was run"):
        read_array_pickle(write(tmp_path / "w.pkl", data))


class Calls:
    """Pickles as the call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def test_a_call_is_refused_and_not_made(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    hostile = pickle.dumps({"conv": [Calls(os.system, f"touch {marker}")]})
    with pytest.raises(WeightsError, match=r"posix\.system.*nothing was run"):
        read_array_pickle(write(tmp_path / "w.pkl", hostile))
    assert not marker.exists()


@pytest.mark.parametrize(
    "function",
    [builtins.eval, builtins.getattr, builtins.__import__, np.load, np.fromfile, np.memmap],
    ids=lambda function: function.__name__,
)
def test_other_globals_are_refused(tmp_path: Path, function: Any) -> None:
    hostile = pickle.dumps(Calls(function, "x"))
    with pytest.raises(WeightsError, match="nothing was run"):
        read_array_pickle(write(tmp_path / "w.pkl", hostile))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"cnumpy.core.multiarray\n_reconstruct.__globals__\n.", id="dotted"),
        pytest.param(b"\x80\x04\x8c\x05numpy\x8c\x0dndarray.dumps\x93.", id="stack-global"),
        pytest.param(b"cnumpy\nndarray\n(S'x'\ntR.", id="call-of-a-marker"),
        pytest.param(b"cnumpy\nndarray\n}S'__class__'\ncnumpy\ndtype\nsb.", id="build-on-a-class"),
        pytest.param(b"\x80\x02\x82\x01.", id="extension-registry"),
        pytest.param(b"Pid\n.", id="persistent-id"),
        pytest.param(b"cnumpy\ndtype\n(S'O8'\ntR.", id="object-dtype"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\x80\x03}q\x00(X", id="cut-short"),
        pytest.param(b"not a pickle", id="text"),
        pytest.param(pickle.dumps([1, 2]), id="a-list"),
        pytest.param(pickle.dumps({1: []}), id="a-key-that-is-no-text"),
        pytest.param(pickle.dumps({"conv": 3}), id="no-list-of-arrays"),
        pytest.param(pickle.dumps({"conv": [3]}), id="a-list-of-others"),
    ],
)
def test_malformed_and_hostile_files_are_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(WeightsError):
        read_array_pickle(write(tmp_path / "w.pkl", data))


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(np.array([1, 2]), id="integers"),
        pytest.param(np.array([{}], dtype=object), id="objects"),
        pytest.param(np.array([1.0], dtype=">f4"), id="big-endian"),
        pytest.param(np.asfortranarray(np.ones((2, 3), np.float32)), id="fortran-order"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, array: Any) -> None:
    data = pickle.dumps({"conv": [array]}, protocol=4)
    with pytest.raises(WeightsError, match="nothing was run"):
        read_array_pickle(write(tmp_path / "w.pkl", data))


def test_a_shape_that_the_data_does_not_fill_is_refused(tmp_path: Path) -> None:
    data = pickle.dumps({"conv": [np.zeros(8, np.float32)]}, protocol=4)
    forged = data.replace(b"K\x08\x85", b"K\x09\x85")
    assert forged != data
    with pytest.raises(WeightsError, match="shape and data differ"):
        read_array_pickle(write(tmp_path / "w.pkl", forged))
