"""MobileNet v1 in the layout of Keras Applications, an HDF5 file that the user brings.

TensorFlow's weights: SAME padding, epsilon 1e-3, x / 127.5 - 1; kernels have their channels last,
and the classifier is a 1x1 convolution. Reading needs h5py, which nothing else here does.
"""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from export_tools.errors import WeightsError
from export_tools.weights.source import (
    HALF,
    Checkpoint,
    Crop,
    FileTensor,
    Normalisation,
    WeightSource,
)
from service.engine.manifest import PublishedAccuracy

_HWIO_TO_OIHW = (3, 2, 0, 1)
_HWC1_TO_C1HW = (2, 3, 0, 1)
_CLASSIFIER = "conv_preds/kernel"
_NORM = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
    "num_batches_tracked": "num_batches_tracked",
}
_BLOCK = {"conv_dw": "conv_dw_{}", "bn1": "conv_dw_{}_bn", "conv_pw": "conv_pw_{}"}
_WIDTHS = {"1_0": 1.0, "7_5": 0.75, "5_0": 0.5, "2_5": 0.25}
_SIZES = (224, 192, 160, 128)


def _read(path: Path) -> dict[str, Tensor]:
    """Read every array of the file, named `layer/array`."""
    try:
        h5py = importlib.import_module("h5py")
    except ModuleNotFoundError:
        raise WeightsError(
            f"{path.name} is an HDF5 file, and h5py is not installed: pip install h5py"
        ) from None
    tensors: dict[str, Tensor] = {}

    def take(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            layer, *_, array = name.removeprefix("model_weights/").split("/")
            tensors[f"{layer}/{array.removesuffix(':0')}"] = torch.from_numpy(item[()])

    try:
        with h5py.File(path, "r") as file:
            file.visititems(take)
    except OSError as error:
        raise WeightsError(f"{path.name} is not an HDF5 file.") from error
    if _CLASSIFIER in tensors:
        tensors[_CLASSIFIER] = tensors[_CLASSIFIER].flatten(0, 2)
    return tensors


def _layout(keys: Sequence[str]) -> dict[str, FileTensor]:
    """Count the blocks through all stages, from 1."""
    blocks = list(dict.fromkeys(tuple(k.split(".")[1:3]) for k in keys if k.startswith("blocks.")))
    layout = {}
    for key in keys:
        *path, kind = key.split(".")
        if path[0] == "classifier":
            axes = (1, 0) if kind == "weight" else None
            name = _CLASSIFIER if kind == "weight" else "conv_preds/bias"
            layout[key] = FileTensor(name, axes)
        elif path[0] == "blocks":
            number = blocks.index((path[1], path[2])) + 1
            layer = _BLOCK.get(path[3], "conv_pw_{}_bn").format(number)
            layout[key] = _tensor(path[3], layer, kind)
        else:
            layout[key] = _tensor(path[0], "conv1" if path[0] == "conv_stem" else "conv1_bn", kind)
    return layout


def _tensor(part: str, layer: str, kind: str) -> FileTensor:
    if part == "conv_dw":
        return FileTensor(f"{layer}/depthwise_kernel", _HWC1_TO_C1HW)
    if part in ("conv_pw", "conv_stem"):
        return FileTensor(f"{layer}/kernel", _HWIO_TO_OIHW)
    return FileTensor(f"{layer}/{_NORM[kind]}")


def _checkpoint(width: str, size: int) -> Checkpoint:
    name = f"mobilenet_{width}_{size}"
    published = PublishedAccuracy(
        top1=0.704, top5=0.895, source="Keras Applications, MobileNet, fp32, 224 px"
    )
    return Checkpoint(
        name=name,
        architecture="mobilenet_v1",
        file=f"{name}_tf.h5",
        variant={"width": _WIDTHS[width]},
        crop=Crop(size, round(size * 8 / 7)),
        published=published if (width, size) == ("1_0", 224) else None,
    )


KERAS_MOBILENET = WeightSource(
    name="keras-mobilenet",
    architectures=("mobilenet_v1",),
    origin="an HDF5 file in the layout of Keras Applications",
    licence=None,  # of the file that the user brings
    normalisation=Normalisation(HALF, HALF),
    resize_shorter=256,
    interpolation="bicubic",
    read=_read,
    layout=_layout,
    variant={"padding": "same", "bn_eps": 1e-3, "activation": "relu6"},
    checkpoints=tuple(_checkpoint(width, size) for width in _WIDTHS for size in _SIZES),
)
