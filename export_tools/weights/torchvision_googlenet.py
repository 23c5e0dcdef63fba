"""GoogLeNet in torchvision's layout; the file is brought by the user.

Its auxiliary heads were never trained and are left out. torchvision turns ImageNet's normalisation
into that of TensorFlow inside the net (`transform_input`); both together are (x - 127.5) / 127.5,
which is what the graph does instead. (Folding the turn into the first convolution would not be
exact, because that pads with zeros after it.)
"""

from export_tools.weights.source import HALF, Checkpoint, Normalisation, WeightSource
from export_tools.weights.state_dict import read_state_dict
from service.engine.manifest import PublishedAccuracy

_PUBLISHED = PublishedAccuracy(top1=0.69778, top5=0.89530, source="torchvision IMAGENET1K_V1, fp32")

TORCHVISION_GOOGLENET = WeightSource(
    name="torchvision-googlenet",
    library="torchvision",
    architectures=("googlenet",),
    origin="a state dict in torchvision's layout",
    licence=None,  # of the file that the user brings; torchvision's own code is BSD-3-Clause
    normalisation=Normalisation(HALF, HALF),
    resize_shorter=256,
    interpolation="bilinear",
    read=read_state_dict,
    variant={"form": "torchvision", "aux": False, "bn_eps": 1e-3},
    dropped=("aux1.", "aux2."),
    published={"googlenet": _PUBLISHED},
    checkpoints=(
        Checkpoint(
            name="googlenet",
            architecture="googlenet",
            file="googlenet-1378be20.pth",
            published=_PUBLISHED,
        ),
    ),
)
