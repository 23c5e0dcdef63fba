"""ShuffleNet v1 in the layout of Megvii's repository ShuffleNet-Series; brought by the user.

It shuffles after the depthwise convolution by the inverse permutation and concatenates the
shortcut first (`shuffle_order="megvii"`); its classifier has no bias. Its train.py feeds BGR grey
levels as they are, 0 to 255, with no mean and no deviation. Files are those of the repository's
README; a training checkpoint around the weights is taken as well.
"""

from collections.abc import Sequence

from export_tools.weights.source import Checkpoint, FileTensor, Normalisation, WeightSource
from export_tools.weights.state_dict import read_state_dict
from models import OptionValue
from service.engine.manifest import PublishedAccuracy

_STEM = {"conv": "first_conv.0", "bn": "first_conv.1"}
_UNIT = {
    "compress_conv1": "branch_main_1.0",
    "compress_bn1": "branch_main_1.1",
    "dw_conv2": "branch_main_1.3",
    "dw_bn2": "branch_main_1.4",
    "expand_conv3": "branch_main_2.0",
    "expand_bn3": "branch_main_2.1",
}
# groups, scale, errors in percent
_RESULTS = (
    (3, 1.0, 32.2, 12.3),
    (8, 1.0, 32.0, 13.6),
    (3, 0.5, 42.7, 20.0),
    (8, 0.5, 41.2, 19.0),
    (3, 1.5, 28.4, 9.8),
    (8, 1.5, 29.0, 10.4),
    (3, 2.0, 25.9, 8.6),
    (8, 2.0, 27.1, 9.2),
)


def _layout(keys: Sequence[str]) -> dict[str, FileTensor]:
    """Count the units through all stages."""
    units = list(dict.fromkeys(tuple(k.split(".")[1:3]) for k in keys if ".unit" in k))
    layout = {}
    for key in keys:
        *path, kind = key.split(".")
        if path[0] == "output":
            layout[key] = FileTensor(f"classifier.0.{kind}", zero=kind == "bias")
        elif path[1] == "init_block":
            layout[key] = FileTensor(f"{_STEM[path[2]]}.{kind}")
        else:
            number = units.index((path[1], path[2]))
            layout[key] = FileTensor(f"features.{number}.{_UNIT[path[3]]}.{kind}")
    return layout


def _checkpoint(groups: int, scale: float, top1: float, top5: float) -> Checkpoint:
    variant: dict[str, OptionValue] = {"groups": groups, "scale": scale}
    name = f"{scale}x (group={groups})"
    return Checkpoint(
        name=name,
        architecture="shufflenet_v1",
        file=f"ShuffleNetV1 {name}, from the README of ShuffleNet-Series",
        variant=variant,
        published=PublishedAccuracy(
            top1=round(1 - top1 / 100, 4),
            top5=round(1 - top5 / 100, 4),
            source=f"Megvii ShuffleNetV1 {name}, fp32",
        ),
    )


MEGVII_SHUFFLENET = WeightSource(
    name="megvii-shufflenet",
    architectures=("shufflenet_v1",),
    origin="a state dict in the layout of Megvii's ShuffleNet-Series",
    licence=None,  # the repository states none for its weights
    normalisation=Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), order="bgr"),
    resize_shorter=256,
    interpolation="bilinear",
    read=read_state_dict,
    layout=_layout,
    variant={"shuffle": True, "shuffle_order": "megvii"},
    checkpoints=tuple(_checkpoint(*row) for row in _RESULTS),
)
