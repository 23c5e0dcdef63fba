"""Lite-Inception: GoogLeNet's modules made of depthwise separable convolutions.

The project's own net, after "Going Deeper with Convolutions" (https://arxiv.org/abs/1409.4842) and
MobileNet v1 (https://arxiv.org/abs/1704.04861). A module keeps the four branches and their 1x1
reductions; its 3x3 and 5x5 become a depthwise and a 1x1 convolution, and its max pool an average
pool, which int8 arithmetic represents well. Every convolution has batch norm and ReLU.

At width 1.0 and depth 1.0, 224 px:

| part          | modules | 1x1 | 3x3 from | 3x3 | 5x5 from | 5x5 | pool | output     |
|---------------|---------|-----|----------|-----|----------|-----|------|------------|
| conv 3x3 / 2  |         |     |          |     |          |     |      | 32 x 112²  |
| separable 3x3 |         |     |          |     |          |     |      | 64 x 112²  |
| max pool / 2  |         |     |          |     |          |     |      | 64 x 56²   |
| separable 3x3 |         |     |          |     |          |     |      | 128 x 56²  |
| stage 3       | 2       | 64  | 96       | 128 | 16       | 32  | 32   | 256 x 28²  |
| stage 4       | 5       | 160 | 112      | 224 | 24       | 64  | 64   | 512 x 14²  |
| stage 5       | 2       | 384 | 192      | 384 | 48       | 128 | 128  | 1024 x 7²  |

That is 3,452,656 parameters and 408,283,776 MACs, a quarter of GoogLeNet's.

A max pool of stride 2 precedes each stage. `width` multiplies every number of channels, rounded to
a multiple of 8; `depth` multiplies the modules of a stage, rounded up.
"""

import math
from dataclasses import astuple, dataclass

import torch
from torch import Tensor, nn

from models.layers import (
    BN_EPS,
    conv2d,
    init_fan_out,
    round_channels,
    stem_for,
)
from models.spec import Architecture, Option, TabledVariant

__all__ = ["ARCHITECTURES", "LiteInception"]

STEM_CHANNELS = (32, 64, 128)


@dataclass(frozen=True, slots=True)
class Branches:
    """Output channels of a module's convolutions."""

    narrow: int
    reduce3: int
    wide3: int
    reduce5: int
    wide5: int
    pooled: int

    @property
    def total(self) -> int:
        """Channels of the concatenated branches."""
        return self.narrow + self.wide3 + self.wide5 + self.pooled

    def scaled(self, width: float) -> "Branches":
        """Multiply every branch, rounding to a multiple of 8."""
        return Branches(*(round_channels(channels * width) for channels in astuple(self)))


# Modules at depth 1.0, and their branches.
STAGES = (
    (2, Branches(64, 96, 128, 16, 32, 32)),
    (5, Branches(160, 112, 224, 24, 64, 64)),
    (2, Branches(384, 192, 384, 48, 128, 128)),
)


class ConvUnit(nn.Sequential):
    """Convolution, batch norm, ReLU: [batch, in, h, w] to [batch, out, h / stride, w / stride]."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        bn_eps: float,
        *,
        stride: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__(
            conv2d(in_channels, out_channels, kernel, stride=stride, groups=groups),
            nn.BatchNorm2d(out_channels, bn_eps),
            nn.ReLU(),
        )


class SeparableUnit(nn.Sequential):
    """A depthwise and a 1x1 unit: [batch, in, h, w] to [batch, out, h, w]."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, bn_eps: float) -> None:
        super().__init__(
            ConvUnit(in_channels, in_channels, kernel, bn_eps, groups=in_channels),
            ConvUnit(in_channels, out_channels, 1, bn_eps),
        )


class LiteInceptionModule(nn.Module):
    """Four branches side by side."""

    def __init__(self, in_channels: int, branches: Branches, bn_eps: float) -> None:
        super().__init__()
        self.branch1 = ConvUnit(in_channels, branches.narrow, 1, bn_eps)
        self.branch3 = nn.Sequential(
            ConvUnit(in_channels, branches.reduce3, 1, bn_eps),
            SeparableUnit(branches.reduce3, branches.wide3, 3, bn_eps),
        )
        self.branch5 = nn.Sequential(
            ConvUnit(in_channels, branches.reduce5, 1, bn_eps),
            SeparableUnit(branches.reduce5, branches.wide5, 5, bn_eps),
        )
        self.branch_pool = nn.Sequential(
            nn.AvgPool2d(3, stride=1, padding=1),
            ConvUnit(in_channels, branches.pooled, 1, bn_eps),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, in, h, w] to [batch, branches.total, h, w]."""
        branches = (self.branch1(x), self.branch3(x), self.branch5(x), self.branch_pool(x))
        return torch.cat(branches, dim=1)


class LiteInception(nn.Module):
    """The net at one width and depth."""

    def __init__(
        self,
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        input_size: int | None = None,
        dropout: float = 0.2,
        width: float = 1.0,
        depth: float = 1.0,
        bn_eps: float = 1e-5,
    ) -> None:
        super().__init__()
        stem = stem_for(input_size)
        first, second, channels = (round_channels(count * width) for count in STEM_CHANNELS)
        self.stem = nn.Sequential(
            ConvUnit(in_channels, first, 3, bn_eps, stride=stem.stride),
            SeparableUnit(first, second, 3, bn_eps),
            _halve() if stem.pool else nn.Identity(),
            SeparableUnit(second, channels, 3, bn_eps),
        )
        stages = []
        for modules, base in STAGES:
            branches = base.scaled(width)
            layers: list[nn.Module] = [_halve()]
            for _ in range(math.ceil(modules * depth)):
                layers.append(LiteInceptionModule(channels, branches, bn_eps))
                channels = branches.total
            stages.append(nn.Sequential(*layers))
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(channels, num_classes)
        init_fan_out(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map images [batch, in_channels, height, width] to logits [batch, num_classes]."""
        # N x 3 x 224 x 224
        x = self.stem(x)
        # N x 128 x 56 x 56 (width 1.0)
        x = self.stages(x)
        # N x 1024 x 7 x 7
        x = self.pool(x).flatten(1)
        # N x 1024
        logits: Tensor = self.classifier(self.dropout(x))
        return logits


def _halve() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, 2, padding=1)


ARCHITECTURES = (
    Architecture(
        name="lite_inception",
        summary="GoogLeNet's modules with depthwise separable 3x3 and 5x5",
        build=LiteInception,
        input_size=224,
        minimum_input_size=8,  # the reduction of the net with the stem for tiny inputs
        options={
            "width": Option(float, 1.0, "multiplier of every number of channels"),
            "depth": Option(float, 1.0, "multiplier of the modules in a stage"),
            "bn_eps": BN_EPS,
        },
        table=(
            TabledVariant({"width": 1.0, "depth": 1.0}, 3_452_656, 408_283_776),
            TabledVariant({"width": 0.75, "depth": 1.0}, 2_171_432, 239_614_384),
            TabledVariant({"width": 0.5, "depth": 1.0}, 1_134_384, 108_478_992),
            TabledVariant({"width": 0.25, "depth": 1.0}, 423_200, 31_096_992),
            TabledVariant({"width": 1.0, "depth": 0.5}, 2_100_288, 230_401_232),
        ),
    ),
)
