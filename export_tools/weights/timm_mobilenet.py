"""MobileNet v1 in timm's layout, trained by timm with a modern recipe.

Symmetric padding, epsilon 1e-5 and ReLU6, the net's defaults; `mobilenetv1_100h` is another net,
with a convolution before its classifier. The published 76.088 % at 256 px are those of a crop of
0.95, which `--input-size 256` does not take.
"""

from export_tools.weights.source import HALF, Checkpoint, Crop, Normalisation, WeightSource
from export_tools.weights.state_dict import read_state_dict
from service.engine.manifest import PublishedAccuracy

_RECIPE = "ra4_e3600_r224_in1k"

TIMM_MOBILENET = WeightSource(
    name="timm-mobilenet",
    library="timm",
    architectures=("mobilenet_v1",),
    origin="a state dict in timm's layout",
    licence="Apache-2.0",
    normalisation=Normalisation(HALF, HALF),
    resize_shorter=256,  # crop_pct 0.875
    interpolation="bicubic",
    read=read_state_dict,
    variant={"padding": "symmetric", "bn_eps": 1e-5, "activation": "relu6"},
    checkpoints=(
        Checkpoint(
            name=f"mobilenetv1_100.{_RECIPE}",
            architecture="mobilenet_v1",
            file=f"model.safetensors (timm/mobilenetv1_100.{_RECIPE} on the Hugging Face hub)",
            published=PublishedAccuracy(
                top1=0.75388, top5=0.92310, source=f"timm mobilenetv1_100.{_RECIPE}, fp32, 224 px"
            ),
        ),
        Checkpoint(
            name=f"mobilenetv1_125.{_RECIPE}",
            architecture="mobilenet_v1",
            file=f"model.safetensors (timm/mobilenetv1_125.{_RECIPE} on the Hugging Face hub)",
            variant={"width": 1.25},
            crop=Crop(224, 248),  # crop_pct 0.9
            published=PublishedAccuracy(
                top1=0.7692, source=f"timm mobilenetv1_125.{_RECIPE}, fp32, 224 px"
            ),
        ),
    ),
)
