"""SqueezeNet in torchvision's layout; the file is brought by the user.

The published files are squeezenet1_0-b66bff10.pth and squeezenet1_1-b8a52dc0.pth; a state dict of
one's own training in the same layout and with the same normalisation works as well.
"""

from export_tools.weights.source import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Checkpoint,
    Normalisation,
    WeightSource,
)
from export_tools.weights.state_dict import read_state_dict
from service.engine.manifest import PublishedAccuracy

_PUBLISHED = {
    "squeezenet1_0": PublishedAccuracy(
        top1=0.58092, top5=0.80420, source="torchvision IMAGENET1K_V1, fp32"
    ),
    "squeezenet1_1": PublishedAccuracy(
        top1=0.58178, top5=0.80624, source="torchvision IMAGENET1K_V1, fp32"
    ),
}
_FILES = {
    "squeezenet1_0": "squeezenet1_0-b66bff10.pth",
    "squeezenet1_1": "squeezenet1_1-b8a52dc0.pth",
}

TORCHVISION = WeightSource(
    name="torchvision",
    library="torchvision",
    architectures=("squeezenet1_0", "squeezenet1_1"),
    origin="a state dict in torchvision's layout",
    licence=None,  # of the file that the user brings; torchvision's own code is BSD-3-Clause
    normalisation=Normalisation(IMAGENET_MEAN, IMAGENET_STD),
    resize_shorter=256,
    interpolation="bilinear",
    read=read_state_dict,
    published=_PUBLISHED,
    checkpoints=tuple(
        Checkpoint(name=name, architecture=name, file=file, published=_PUBLISHED[name])
        for name, file in _FILES.items()
    ),
)
