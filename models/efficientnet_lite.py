"""EfficientNet-Lite 0 to 4.

Paper: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
2019, https://arxiv.org/abs/1905.11946. The Lite form is Google's (tensorflow/tpu,
models/official/efficientnet/lite): no squeeze-and-excitation and ReLU6 instead of swish, so that
it quantises well; stem and head keep their width at every size.

Module names are timm's. Weights from TensorFlow need `padding="same", bn_eps=1e-3`; those that timm
trained itself (`efficientnet_lite0.ra_in1k`) need the defaults.
"""

import math
from dataclasses import dataclass
from functools import partial

import torch.nn.functional as F  # noqa: N812  (PyTorch's own convention)
from torch import Tensor, nn

from models.layers import BN_EPS, PADDING, conv2d, init_fan_out, round_channels, stem_for
from models.spec import Architecture, Paper, PublishedAccuracy, TabledVariant

__all__ = ["ARCHITECTURES", "EfficientNetLite"]

STEM_CHANNELS = 32
HEAD_CHANNELS = 1280


@dataclass(frozen=True, slots=True)
class Stage:
    """Blocks of one resolution; the stride belongs to the first of them."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


# The net of size 0, which the others scale.
BASE = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


@dataclass(frozen=True, slots=True)
class Size:
    """A row of the family's table: scaling, dropout, native pixels and exact counts."""

    width: float
    depth: float
    dropout: float
    input_size: int
    parameters: int
    macs: int


class SeparableBlock(nn.Module):
    """The block without expansion: depthwise, then a linear 1x1; a shortcut where shapes agree."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int,
        padding: str,
        eps: float,
    ) -> None:
        super().__init__()
        self.conv_dw = conv2d(
            in_channels, in_channels, kernel, stride=stride, groups=in_channels, padding=padding
        )
        self.bn1 = nn.BatchNorm2d(in_channels, eps)
        self.conv_pw = conv2d(in_channels, out_channels, 1)
        self.bn2 = nn.BatchNorm2d(out_channels, eps)
        self.shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, in, h, w] to [batch, out, h / stride, w / stride]."""
        y: Tensor = F.relu6(self.bn1(self.conv_dw(x)))
        y = self.bn2(self.conv_pw(y))
        return x + y if self.shortcut else y


class InvertedResidual(nn.Module):
    """Expand by 1x1, filter depthwise, project by a linear 1x1; a shortcut where shapes agree."""

    def __init__(
        self, in_channels: int, stage: Stage, stride: int, padding: str, eps: float
    ) -> None:
        super().__init__()
        out_channels = stage.channels
        wide = in_channels * stage.expansion
        self.conv_pw = conv2d(in_channels, wide, 1)
        self.bn1 = nn.BatchNorm2d(wide, eps)
        self.conv_dw = conv2d(wide, wide, stage.kernel, stride=stride, groups=wide, padding=padding)
        self.bn2 = nn.BatchNorm2d(wide, eps)
        self.conv_pwl = conv2d(wide, out_channels, 1)
        self.bn3 = nn.BatchNorm2d(out_channels, eps)
        self.shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, in, h, w] to [batch, out, h / stride, w / stride]."""
        y: Tensor = F.relu6(self.bn1(self.conv_pw(x)))
        y = F.relu6(self.bn2(self.conv_dw(y)))
        y = self.bn3(self.conv_pwl(y))
        return x + y if self.shortcut else y


class EfficientNetLite(nn.Module):
    """The net of one size; `dropout=None` takes the size's own."""

    def __init__(
        self,
        size: Size,
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        input_size: int | None = None,
        dropout: float | None = None,
        padding: str = "symmetric",
        bn_eps: float = 1e-5,
    ) -> None:
        super().__init__()
        stride = stem_for(input_size).stride
        self.conv_stem = conv2d(in_channels, STEM_CHANNELS, 3, stride=stride, padding=padding)
        self.bn1 = nn.BatchNorm2d(STEM_CHANNELS, bn_eps)
        channels = STEM_CHANNELS
        stages = []
        for stage in scaled_stages(size.width, size.depth):
            stages.append(_build_stage(stage, channels, padding, bn_eps))
            channels = stage.channels
        self.blocks = nn.Sequential(*stages)
        self.conv_head = conv2d(channels, HEAD_CHANNELS, 1)
        self.bn2 = nn.BatchNorm2d(HEAD_CHANNELS, bn_eps)
        self.global_pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(size.dropout if dropout is None else dropout)
        self.classifier = nn.Linear(HEAD_CHANNELS, num_classes)
        self._initialise()

    def forward(self, x: Tensor) -> Tensor:
        """Map images [batch, in_channels, height, width] to logits [batch, num_classes]."""
        # N x 3 x 224 x 224
        x = F.relu6(self.bn1(self.conv_stem(x)))
        # N x 32 x 112 x 112
        x = self.blocks(x)
        # N x 320 x 7 x 7
        x = F.relu6(self.bn2(self.conv_head(x)))
        # N x 1280 x 7 x 7
        x = self.global_pool(x).flatten(1)
        # N x 1280
        logits: Tensor = self.classifier(self.dropout(x))
        return logits

    def _initialise(self) -> None:
        """Initialise as the authors' code does: He by fan-out, and a uniform classifier."""
        init_fan_out(self)
        limit = 1.0 / math.sqrt(self.classifier.out_features)
        nn.init.uniform_(self.classifier.weight, -limit, limit)
        nn.init.zeros_(self.classifier.bias)


def scaled_stages(width: float, depth: float) -> tuple[Stage, ...]:
    """Scale the base net; the first and last stage keep their number of blocks."""
    stages = []
    for index, stage in enumerate(BASE):
        fixed = index in (0, len(BASE) - 1)
        stages.append(
            Stage(
                stage.repeats if fixed else math.ceil(stage.repeats * depth),
                stage.kernel,
                stage.stride,
                stage.expansion,
                round_channels(stage.channels * width),
            )
        )
    return tuple(stages)


def _build_stage(stage: Stage, in_channels: int, padding: str, eps: float) -> nn.Sequential:
    blocks: list[nn.Module] = []
    for index in range(stage.repeats):
        stride = stage.stride if index == 0 else 1
        if stage.expansion == 1:
            blocks.append(
                SeparableBlock(in_channels, stage.channels, stage.kernel, stride, padding, eps)
            )
        else:
            blocks.append(InvertedResidual(in_channels, stage, stride, padding, eps))
        in_channels = stage.channels
    return nn.Sequential(*blocks)


SIZES = (
    Size(1.0, 1.0, 0.2, 224, 4_652_008, 385_187_552),
    Size(1.0, 1.1, 0.2, 240, 5_416_680, 600_185_232),
    Size(1.1, 1.2, 0.3, 260, 6_092_072, 859_736_272),
    Size(1.2, 1.4, 0.3, 280, 8_197_096, 1_383_321_872),
    Size(1.4, 1.8, 0.3, 300, 13_006_568, 2_553_034_336),
)
# timm evaluates sizes 3 and 4 at more pixels than Google: 16 % and 54 % more MACs.
PUBLISHED = (
    (
        PublishedAccuracy("authors' README, fp32", 0.751, None, 224),
        PublishedAccuracy("timm efficientnet_lite0.ra_in1k", 0.75488, 0.92508, 224),
        PublishedAccuracy("timm tf_efficientnet_lite0.in1k", 0.74846, 0.92180, 224),
    ),
    (
        PublishedAccuracy("authors' README, fp32", 0.767, None, 240),
        PublishedAccuracy("timm tf_efficientnet_lite1.in1k", 0.76674, 0.93232, 240),
    ),
    (
        PublishedAccuracy("authors' README, fp32", 0.776, None, 260),
        PublishedAccuracy("timm tf_efficientnet_lite2.in1k", 0.77470, 0.93756, 260),
    ),
    (
        PublishedAccuracy("authors' README, fp32", 0.798, None, 280),
        PublishedAccuracy("timm tf_efficientnet_lite3.in1k", 0.79808, 0.94908, 300),
    ),
    (
        PublishedAccuracy("authors' README, fp32", 0.815, None, 300),
        PublishedAccuracy("timm tf_efficientnet_lite4.in1k", 0.81540, 0.95668, 380),
    ),
)

PAPER = Paper(
    "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
    2019,
    "https://arxiv.org/abs/1905.11946",
)


ARCHITECTURES = tuple(
    Architecture(
        name=f"efficientnet_lite{number}",
        summary=f"Inverted residuals made for int8, size {number} of 0 to 4",
        build=partial(EfficientNetLite, size),
        input_size=size.input_size,
        minimum_input_size=16,  # the reduction of the net with a stem of stride 1
        paper=PAPER,
        options={"padding": PADDING, "bn_eps": BN_EPS},
        table=(TabledVariant({}, size.parameters, size.macs, published),),
    )
    for number, (size, published) in enumerate(zip(SIZES, PUBLISHED, strict=True))
)
