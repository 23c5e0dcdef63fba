"""MobileNet's HDF5 files in the layout of Keras Applications.

A stand-in for h5py gives the arrays, so that the tests do not need it.
"""

import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from export_tools.errors import WeightsError
from export_tools.weights import SOURCES, load_net

KERAS = SOURCES["keras-mobilenet"]
WIDTHS = (8, 16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 256, 256)  # at 0.25


class Dataset:
    def __init__(self, values: NDArray[np.float32]) -> None:
        self.values = values

    def __getitem__(self, _: tuple[()]) -> NDArray[np.float32]:
        return self.values


class Group:
    """What lies between the file and its arrays."""


class File:
    content: dict[str, NDArray[np.float32]]

    def __init__(self, path: Path, mode: str) -> None:
        assert mode == "r"
        if path.read_bytes() != b"hdf5":
            raise OSError("file signature not found")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def visititems(self, visit: Callable[[str, Any], None]) -> None:
        for name, values in self.content.items():
            visit(name.partition("/")[0], Group())
            visit(name, Dataset(values))


def keras_arrays() -> dict[str, NDArray[np.float32]]:
    """Return arrays by their places in mobilenet_2_5_224_tf.h5."""
    shapes: dict[str, tuple[int, ...]] = {"conv1/conv1/kernel:0": (3, 3, 3, WIDTHS[0])}
    norms = {"conv1_bn": WIDTHS[0]}
    for block, (before, after) in enumerate(pairwise(WIDTHS), start=1):
        depthwise, pointwise = f"conv_dw_{block}", f"conv_pw_{block}"
        shapes[f"{depthwise}/{depthwise}/depthwise_kernel:0"] = (3, 3, before, 1)
        shapes[f"{pointwise}/{pointwise}/kernel:0"] = (1, 1, before, after)
        norms |= {f"{depthwise}_bn": before, f"{pointwise}_bn": after}
    for layer, channels in norms.items():
        for array in ("gamma", "beta", "moving_mean", "moving_variance"):
            shapes[f"{layer}/{layer}/{array}:0"] = (channels,)
    shapes["conv_preds/conv_preds/kernel:0"] = (1, 1, WIDTHS[-1], 1000)
    shapes["conv_preds/conv_preds/bias:0"] = (1000,)
    random = np.random.default_rng(2)
    return {key: random.random(shape, np.float32) + 0.1 for key, shape in shapes.items()}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    module = ModuleType("h5py")
    module.Dataset, module.File = Dataset, File  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "h5py", module)
    monkeypatch.setattr(File, "content", keras_arrays(), raising=False)
    (tmp_path / "mobilenet_2_5_224_tf.h5").write_bytes(b"hdf5")
    return tmp_path / "mobilenet_2_5_224_tf.h5"


def test_arrays_are_turned_to_our_axes(file: Path) -> None:
    arrays = {key: torch.from_numpy(values) for key, values in keras_arrays().items()}
    loaded = load_net("mobilenet_v1", KERAS, file, options={"width": 0.25})
    own = loaded.net.state_dict()
    places = {
        "conv_stem.weight": arrays["conv1/conv1/kernel:0"].permute(3, 2, 0, 1),
        "blocks.4.1.conv_dw.weight": arrays["conv_dw_13/conv_dw_13/depthwise_kernel:0"].permute(
            2, 3, 0, 1
        ),
        "blocks.1.0.conv_pw.weight": arrays["conv_pw_2/conv_pw_2/kernel:0"].permute(3, 2, 0, 1),
        "blocks.3.2.bn1.running_var": arrays["conv_dw_8_bn/conv_dw_8_bn/moving_variance:0"],
        "blocks.3.2.bn2.bias": arrays["conv_pw_8_bn/conv_pw_8_bn/beta:0"],
        "classifier.weight": arrays["conv_preds/conv_preds/kernel:0"][0, 0].T,
    }
    for key, values in places.items():
        assert torch.equal(own[key], values), key
    assert loaded.spec.variant["padding"] == "same"
    assert loaded.spec.variant["bn_eps"] == 1e-3
    assert loaded.parameters == 470_072


def test_the_file_under_a_whole_models_group_is_the_same(file: Path) -> None:
    File.content = {f"model_weights/{key}": values for key, values in keras_arrays().items()}
    assert load_net("mobilenet_v1", KERAS, file, options={"width": 0.25}).parameters == 470_072


def test_another_file_is_refused(file: Path) -> None:
    file.write_bytes(b"text")
    with pytest.raises(WeightsError, match="not an HDF5 file"):
        load_net("mobilenet_v1", KERAS, file, options={"width": 0.25})


def test_without_h5py_the_error_says_what_to_install(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(WeightsError, match="pip install h5py"):
        load_net("mobilenet_v1", KERAS, file, options={"width": 0.25})
