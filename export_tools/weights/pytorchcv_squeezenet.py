"""SqueezeNet in pytorchcv's layout; the file is brought by the user."""

from collections.abc import Sequence

from export_tools.weights.pytorchcv_layout import LICENCE, NORMALISATION, checkpoint, unit
from export_tools.weights.source import FileTensor, WeightSource
from export_tools.weights.state_dict import read_state_dict


def _layout(keys: Sequence[str]) -> dict[str, FileTensor]:
    """Number the fire modules by stage: a gap in our numbering is a pool."""
    fires = list(dict.fromkeys(int(k.split(".")[1]) for k in keys if ".squeeze." in k))
    places, stage, index = {}, 0, 0
    for before, fire in zip([fires[0] - 1, *fires], fires, strict=False):
        if fire - before > 1:
            stage, index = stage + 1, 0
        places[fire] = unit(stage, index)
        index += 1
    layout = {}
    for key in keys:
        first, second, *rest = key.split(".")
        if first == "classifier":
            place = f"output.final_conv.{rest[0]}"
        elif int(second) == 0:
            place = f"features.init_block.conv.{rest[0]}"
        else:
            place = f"{places[int(second)]}.{rest[0]}.conv.{rest[1]}"
        layout[key] = FileTensor(place)
    return layout


PYTORCHCV_SQUEEZENET = WeightSource(
    name="pytorchcv-squeezenet",
    library="pytorchcv",
    architectures=("squeezenet1_0", "squeezenet1_1"),
    origin="a state dict in pytorchcv's layout",
    licence=LICENCE,
    normalisation=NORMALISATION,
    resize_shorter=256,
    interpolation="bilinear",
    read=read_state_dict,
    layout=_layout,
    checkpoints=(
        checkpoint(
            "squeezenet1_0", "squeezenet_v1_0", "squeezenet_v1_0-1766-afdbcf1a", (39.29, 17.66)
        ),
        checkpoint(
            "squeezenet1_1", "squeezenet_v1_1", "squeezenet_v1_1-1772-25b77bc3", (39.31, 17.72)
        ),
    ),
)
