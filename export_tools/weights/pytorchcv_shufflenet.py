"""ShuffleNet v1 in pytorchcv's layout, whose names are our own.

It shuffles after the first grouped convolution, as the paper draws it, and scales the stem with
the rest of the net, which the paper does not.
"""

from export_tools.weights.pytorchcv_layout import LICENCE, NORMALISATION, checkpoint
from export_tools.weights.source import Checkpoint, WeightSource
from export_tools.weights.state_dict import read_state_dict
from models import OptionValue

# name, top-5 error and hash in the file's name, groups, scale, stem, errors in percent
_FILES: tuple[tuple[str, str, int, float, int | None, tuple[float | None, float]], ...] = (
    ("g3_w1", "1348-ce54f64e", 3, 1.0, None, (34.39, 13.48)),
    ("g1_w1", "1389-4cfb65a3", 1, 1.0, None, (34.93, 13.89)),
    ("g2_w1", "1363-07256203", 2, 1.0, None, (34.25, 13.63)),
    ("g4_w1", "1335-e2415f82", 4, 1.0, None, (34.19, 13.35)),
    ("g8_w1", "1342-9a979b36", 8, 1.0, None, (34.06, 13.42)),
    ("g1_w3d4", "1711-161cd24a", 1, 0.75, 18, (None, 17.11)),
    ("g3_w3d4", "1650-3f3b0aef", 3, 0.75, 18, (None, 16.50)),
    ("g1_wd2", "2261-dae4bdad", 1, 0.5, None, (46.59, 22.61)),
    ("g3_wd2", "2080-ccaacfc8", 3, 0.5, None, (44.16, 20.80)),
    ("g1_wd4", "3729-47dbd0f2", 1, 0.25, 6, (62.44, 37.29)),
    ("g3_wd4", "3653-6abdd65e", 3, 0.25, 6, (61.74, 36.53)),
)


def _checkpoint(
    name: str,
    tail: str,
    groups: int,
    scale: float,
    stem: int | None,
    errors: tuple[float | None, float],
) -> Checkpoint:
    variant: dict[str, OptionValue] = {"groups": groups, "scale": scale}
    if stem is not None:
        variant["stem"] = stem
    full = f"shufflenet_{name}"
    return checkpoint("shufflenet_v1", full, f"{full}-{tail}", errors, variant)


PYTORCHCV_SHUFFLENET = WeightSource(
    name="pytorchcv-shufflenet",
    library="pytorchcv",
    architectures=("shufflenet_v1",),
    origin="a state dict in pytorchcv's layout",
    licence=LICENCE,
    normalisation=NORMALISATION,
    resize_shorter=256,
    interpolation="bilinear",
    read=read_state_dict,
    variant={"shuffle": True, "shuffle_order": "paper"},
    checkpoints=tuple(_checkpoint(*file) for file in _FILES),
)
