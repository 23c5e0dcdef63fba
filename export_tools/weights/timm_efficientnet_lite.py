"""EfficientNet-Lite0 in timm's layout, trained by timm itself.

Symmetric padding, epsilon 1e-5 and ImageNet's normalisation, other than the weights that timm took
over from TensorFlow (`timm_tf_efficientnet_lite`).
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

TIMM_EFFICIENTNET_LITE = WeightSource(
    name="timm-efficientnet_lite",
    library="timm",
    architectures=("efficientnet_lite0",),
    origin="a state dict in the layout of timm's efficientnet_lite0",
    licence="Apache-2.0",
    normalisation=Normalisation(IMAGENET_MEAN, IMAGENET_STD),
    resize_shorter=256,  # crop_pct 0.875
    interpolation="bicubic",
    read=read_state_dict,
    variant={"padding": "symmetric", "bn_eps": 1e-5},
    checkpoints=(
        Checkpoint(
            name="efficientnet_lite0.ra_in1k",
            architecture="efficientnet_lite0",
            file="efficientnet_lite0_ra-37913777.pth",
            published=PublishedAccuracy(
                top1=0.75488, top5=0.92508, source="timm efficientnet_lite0.ra_in1k, fp32"
            ),
        ),
    ),
)
