"""Xception in the layout of timm's `legacy_xception` (`xception41` is another net).

The weights come from Keras; timm runs them with symmetric pools and epsilon 1e-5, and this is how
its accuracy was measured.
"""

from export_tools.weights.source import HALF, Checkpoint, Normalisation, WeightSource
from export_tools.weights.state_dict import read_state_dict
from service.engine.manifest import PublishedAccuracy

TIMM_XCEPTION = WeightSource(
    name="timm-xception",
    library="timm",
    architectures=("xception",),
    origin="a state dict in the layout of timm's legacy_xception",
    licence="Apache-2.0",
    normalisation=Normalisation(HALF, HALF),
    resize_shorter=333,  # crop_pct 0.8975
    interpolation="bicubic",
    read=read_state_dict,
    variant={"padding": "symmetric", "bn_eps": 1e-5},
    checkpoints=(
        Checkpoint(
            name="legacy_xception.tf_in1k",
            architecture="xception",
            file="xception-43020ad28.pth",
            published=PublishedAccuracy(
                top1=0.79058, top5=0.94396, source="timm legacy_xception.tf_in1k, fp32"
            ),
        ),
    ),
)
