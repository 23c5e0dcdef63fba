"""MobileNet v1 in pytorchcv's layout; ReLU, where the paper has ReLU6."""

from collections.abc import Sequence

from export_tools.weights.pytorchcv_layout import LICENCE, NORMALISATION, checkpoint, unit
from export_tools.weights.source import Checkpoint, FileTensor, WeightSource
from export_tools.weights.state_dict import read_state_dict

_TOP = {"conv_stem": "features.init_block.conv", "bn1": "features.init_block.bn"}
_BLOCK = {
    "conv_dw": "dw_conv.conv",
    "bn1": "dw_conv.bn",
    "conv_pw": "pw_conv.conv",
    "bn2": "pw_conv.bn",
}

# width, end of the name, top-5 error and hash in the file's name, errors in percent
_FILES = (
    (1.0, "w1", "0895-7e1d739f", (26.61, 8.95)),
    (0.75, "w3d4", "1076-d801bcae", (30.14, 10.76)),
    (0.5, "wd2", "1355-41a21242", (34.15, 13.55)),
    (0.25, "wd4", "2249-1ad5e8fe", (46.26, 22.49)),
)


def _layout(keys: Sequence[str]) -> dict[str, FileTensor]:
    layout = {}
    for key in keys:
        *path, kind = key.split(".")
        if path[0] == "blocks":
            place = f"{unit(int(path[1]), int(path[2]))}.{_BLOCK[path[3]]}"
        else:
            place = _TOP.get(path[0], "output")
        layout[key] = FileTensor(f"{place}.{kind}")
    return layout


def _checkpoint(width: float, size: str, tail: str, errors: tuple[float, float]) -> Checkpoint:
    name = f"mobilenet_{size}"
    return checkpoint("mobilenet_v1", name, f"{name}-{tail}", errors, {"width": width})


PYTORCHCV_MOBILENET = WeightSource(
    name="pytorchcv-mobilenet",
    library="pytorchcv",
    architectures=("mobilenet_v1",),
    origin="a state dict in pytorchcv's layout",
    licence=LICENCE,
    normalisation=NORMALISATION,
    resize_shorter=256,
    interpolation="bilinear",
    read=read_state_dict,
    layout=_layout,
    variant={"activation": "relu", "padding": "symmetric", "bn_eps": 1e-5},
    checkpoints=tuple(_checkpoint(*row) for row in _FILES),
)
