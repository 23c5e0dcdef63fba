"""MobileNet v1 with its width multiplier.

Paper: Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
Applications", 2017, https://arxiv.org/abs/1704.04861. The paper's resolution multiplier is the
input size: the same weights run at 224, 192, 160 or 128 px.

Module names are timm's (`mobilenetv1_100`). Public weights differ in arithmetic, not in shape:
- TensorFlow and Keras: `padding="same", bn_eps=1e-3`;
- timm: the defaults;
- pytorchcv: `activation="relu"`.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from models.errors import InvalidOptionError
from models.layers import (
    BN_EPS,
    PADDING,
    activation_layer,
    conv2d,
    init_fan_out,
    stem_for,
)
from models.spec import Architecture, Option, Paper, PublishedAccuracy, TabledVariant

__all__ = ["ARCHITECTURES", "MobileNetV1"]

STEM_CHANNELS = 32
# Per stage: output channels, blocks, stride of the first block.
STAGES = ((64, 1, 1), (128, 2, 2), (256, 2, 2), (512, 6, 2), (1024, 2, 2))


class SeparableBlock(nn.Module):
    """A 3x3 depthwise and a 1x1 convolution, each with batch norm and activation."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        *,
        padding: str,
        bn_eps: float,
        activation: str,
    ) -> None:
        super().__init__()
        self.conv_dw = conv2d(
            in_channels, in_channels, 3, stride=stride, groups=in_channels, padding=padding
        )
        self.bn1 = nn.BatchNorm2d(in_channels, bn_eps)
        self.act1 = activation_layer(activation)
        self.conv_pw = conv2d(in_channels, out_channels, 1)
        self.bn2 = nn.BatchNorm2d(out_channels, bn_eps)
        self.act2 = activation_layer(activation)

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, in, h, w] to [batch, out, h / stride, w / stride]."""
        x = self.act1(self.bn1(self.conv_dw(x)))
        y: Tensor = self.act2(self.bn2(self.conv_pw(x)))
        return y


class MobileNetV1(nn.Module):
    """The net at one width; every layer has `int(channels * width)` channels, as in Keras."""

    def __init__(
        self,
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        input_size: int | None = None,
        dropout: float = 1e-3,
        width: float = 1.0,
        padding: str = "symmetric",
        bn_eps: float = 1e-5,
        activation: str = "relu6",
    ) -> None:
        super().__init__()
        channels = _scaled(STEM_CHANNELS, width)
        stride = stem_for(input_size).stride
        self.conv_stem = conv2d(in_channels, channels, 3, stride=stride, padding=padding)
        self.bn1 = nn.BatchNorm2d(channels, bn_eps)
        self.act1 = activation_layer(activation)
        stages = []
        for out, repeats, stride in STAGES:
            blocks = []
            for index in range(repeats):
                blocks.append(
                    SeparableBlock(
                        channels,
                        _scaled(out, width),
                        stride if index == 0 else 1,
                        padding=padding,
                        bn_eps=bn_eps,
                        activation=activation,
                    )
                )
                channels = _scaled(out, width)
            stages.append(nn.Sequential(*blocks))
        self.blocks = nn.Sequential(*stages)
        self.global_pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(channels, num_classes)
        # The paper names no initialisation.
        init_fan_out(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map images [batch, in_channels, height, width] to logits [batch, num_classes]."""
        # N x 3 x 224 x 224
        x = self.act1(self.bn1(self.conv_stem(x)))
        # N x 32 x 112 x 112 (channels at width 1.0)
        x = self.blocks(x)
        # N x 1024 x 7 x 7
        x = self.global_pool(x).flatten(1)
        # N x 1024
        logits: Tensor = self.classifier(self.dropout(x))
        return logits


def _scaled(channels: int, width: float) -> int:
    if int(STEM_CHANNELS * width) < 1:
        raise InvalidOptionError(f"mobilenet_v1: width {width} leaves the stem no channel")
    return int(channels * width)


PAPER = Paper(
    "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
    2017,
    "https://arxiv.org/abs/1704.04861",
)


@dataclass(frozen=True, slots=True)
class Width:
    """A row of the family's table: counts at 224 px, and top-1 or (top-1, top-5) in percent.

    Results are listed by resolution, from 224 px down.
    """

    width: float
    parameters: int
    macs: int
    paper: tuple[float, ...]
    slim: tuple[tuple[float, float], ...]
    other: tuple[PublishedAccuracy, ...]


RESOLUTIONS = (224, 192, 160, 128)
TIMM = "timm mobilenetv1_100.ra4_e3600_r224_in1k"
WIDTHS = (
    Width(
        1.0,
        4_231_976,
        568_740_352,
        paper=(70.6, 69.1, 67.2, 64.4),
        slim=((70.9, 89.9), (70.0, 89.2), (68.0, 87.7), (65.2, 85.8)),
        other=(
            PublishedAccuracy(TIMM, 0.75388, 0.92310, 224),
            PublishedAccuracy(TIMM, 0.76088, 0.93006, 256),
            PublishedAccuracy("pytorchcv mobilenet_w1", 0.7339, 0.9105, 224),
        ),
    ),
    Width(
        0.75,
        2_585_560,
        325_400_448,
        paper=(68.4,),
        slim=((68.4, 88.2), (67.2, 87.3), (65.3, 86.0), (62.1, 83.9)),
        other=(PublishedAccuracy("pytorchcv mobilenet_w3d4", 0.6986, 0.8924, 224),),
    ),
    Width(
        0.5,
        1_331_592,
        149_497_088,
        paper=(63.7,),
        slim=((63.3, 84.9), (61.7, 83.6), (59.1, 81.9), (56.3, 79.4)),
        other=(PublishedAccuracy("pytorchcv mobilenet_wd2", 0.6585, 0.8645, 224),),
    ),
    Width(
        0.25,
        470_072,
        41_030_272,
        paper=(50.6,),
        slim=((49.8, 74.2), (47.7, 72.3), (45.5, 70.3), (41.5, 66.3)),
        other=(PublishedAccuracy("pytorchcv mobilenet_wd4", 0.5374, 0.7751, 224),),
    ),
)


def _published(row: Width) -> tuple[PublishedAccuracy, ...]:
    # The paper gives the smaller resolutions at full width only.
    paper = zip(row.paper, RESOLUTIONS, strict=False)
    slim = zip(row.slim, RESOLUTIONS, strict=True)
    return (
        *(PublishedAccuracy.from_percent("paper", top1, None, size) for top1, size in paper),
        *(
            PublishedAccuracy.from_percent("TensorFlow-slim", *accuracy, size)
            for accuracy, size in slim
        ),
        *row.other,
    )


ARCHITECTURES = (
    Architecture(
        name="mobilenet_v1",
        summary="Depthwise separable convolutions with a width multiplier",
        build=MobileNetV1,
        input_size=224,
        minimum_input_size=16,  # the reduction of the net with a stem of stride 1
        paper=PAPER,
        options={
            "width": Option(float, 1.0, "width multiplier of every layer"),
            "padding": PADDING,
            "bn_eps": BN_EPS,
            "activation": Option(
                str, "relu6", "'relu' for weights from pytorchcv", ("relu6", "relu")
            ),
        },
        table=tuple(
            TabledVariant({"width": row.width}, row.parameters, row.macs, _published(row))
            for row in WIDTHS
        ),
    ),
)
