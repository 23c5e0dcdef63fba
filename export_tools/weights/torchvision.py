"""SqueezeNet in torchvision's layout; the file is brought by the user.

The published files are squeezenet1_0-b66bff10.pth and squeezenet1_1-b8a52dc0.pth; a state dict of
one's own training in the same layout and with the same normalisation works as well.
"""

from export_tools.weights.source import Normalisation, WeightSource
from export_tools.weights.state_dict import read_state_dict
from service.engine.manifest import PublishedAccuracy

TORCHVISION = WeightSource(
    name="torchvision",
    architectures=("squeezenet1_0", "squeezenet1_1"),
    origin="a state dict in torchvision's layout",
    licence=None,  # of the file that the user brings; torchvision's own code is BSD-3-Clause
    # ImageNet's mean and deviation: 0.485, 0.456, 0.406 and 0.229, 0.224, 0.225 of 255
    normalisation=Normalisation((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    resize_shorter=256,
    interpolation="bilinear",
    read=read_state_dict,
    published={
        "squeezenet1_0": PublishedAccuracy(
            top1=0.58092, top5=0.80420, source="torchvision IMAGENET1K_V1, fp32"
        ),
        "squeezenet1_1": PublishedAccuracy(
            top1=0.58178, top5=0.80624, source="torchvision IMAGENET1K_V1, fp32"
        ),
    },
)
