"""EfficientNet-Lite 0 to 4 in timm's layout, taken over by timm from TensorFlow.

TensorFlow's SAME padding, epsilon 1e-3 and normalisation. Sizes 3 and 4 run at 300 and 380 px
here, and at 280 and 300 px in Google's own figures: 16 % and 54 % more MACs.
"""

from export_tools.weights.source import HALF, Checkpoint, Crop, Normalisation, WeightSource
from export_tools.weights.state_dict import read_state_dict
from service.engine.manifest import PublishedAccuracy

# Per size: hash in the file's name, crop (side / crop_pct, rounded down as timm does), accuracy.
_SIZES = (
    ("0aa007d2", Crop(224, 256), 0.74846, 0.92180),
    ("bde8b488", Crop(240, 272), 0.76674, 0.93232),
    ("dcccb7df", Crop(260, 292), 0.77470, 0.93756),
    ("b733e338", Crop(300, 331, "bilinear"), 0.79808, 0.94908),
    ("741542c3", Crop(380, 413, "bilinear"), 0.81540, 0.95668),
)


def _checkpoint(size: int, digest: str, crop: Crop, top1: float, top5: float) -> Checkpoint:
    name = f"tf_efficientnet_lite{size}"
    return Checkpoint(
        name=f"{name}.in1k",
        architecture=f"efficientnet_lite{size}",
        file=f"{name}-{digest}.pth",
        crop=crop,
        published=PublishedAccuracy(
            top1=top1, top5=top5, source=f"timm {name}.in1k, fp32, {crop.size} px"
        ),
    )


TIMM_TF_EFFICIENTNET_LITE = WeightSource(
    name="timm-tf_efficientnet_lite",
    library="timm",
    architectures=tuple(f"efficientnet_lite{size}" for size in range(len(_SIZES))),
    origin="a state dict in the layout of timm's tf_efficientnet_lite",
    licence="Apache-2.0",
    normalisation=Normalisation(HALF, HALF),
    resize_shorter=256,
    interpolation="bicubic",
    read=read_state_dict,
    variant={"padding": "same", "bn_eps": 1e-3},
    checkpoints=tuple(_checkpoint(size, *row) for size, row in enumerate(_SIZES)),
)
