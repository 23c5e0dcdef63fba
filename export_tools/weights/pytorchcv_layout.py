"""What the layouts of pytorchcv share: `features.stageS.unitU`, preprocessing, file names.

Its files are assets of the releases of osmr/imgclsmob, zipped: NAME-ERR5-SHA8.pth.zip.
"""

from collections.abc import Mapping

from export_tools.weights.source import IMAGENET_MEAN, IMAGENET_STD, Checkpoint, Normalisation
from models import OptionValue
from service.engine.manifest import PublishedAccuracy

LICENCE = "MIT"
NORMALISATION = Normalisation(IMAGENET_MEAN, IMAGENET_STD)


def unit(stage: int, index: int) -> str:
    """Return the prefix of a stage's unit, both counted from 0."""
    return f"features.stage{stage + 1}.unit{index + 1}"


def checkpoint(
    architecture: str,
    name: str,
    file: str,
    errors: tuple[float | None, float],
    variant: Mapping[str, OptionValue] | None = None,
) -> Checkpoint:
    """Describe a published file; `errors` are top-1 and top-5 in percent, if they are known."""
    top1, top5 = (None if error is None else round(1 - error / 100, 4) for error in errors)
    return Checkpoint(
        name=name,
        architecture=architecture,
        file=f"{file}.pth (released as {file}.pth.zip)",
        variant=variant or {},
        published=PublishedAccuracy(top1=top1, top5=top5, source=f"pytorchcv {name}, fp32"),
    )
