"""Xception.

Paper: Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", 2016,
https://arxiv.org/abs/1610.02357. 36 convolution layers: 2 ordinary ones and 34 separable, in 14
modules with linear shortcuts around all but the first and last.

Module names are timm's `legacy_xception` (`xception41` is another net). Keras weights need
`padding="same", bn_eps=1e-3`. Of all the pools only that from 74 to 37 px then pads otherwise: its
input alone has an even size.
"""

import torch.nn.functional as F  # noqa: N812  (PyTorch's own convention)
from torch import Tensor, nn

from models.layers import BN_EPS, PADDING, SamePadMaxPool2d, conv2d, init_fan_out, stem_for
from models.spec import Architecture, Paper, PublishedAccuracy, TabledVariant

__all__ = ["ARCHITECTURES", "Xception"]

MIDDLE_MODULES = range(4, 12)


class SeparableConv2d(nn.Module):
    """A 3x3 depthwise and a 1x1 convolution with nothing in between."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = conv2d(in_channels, in_channels, 3, groups=in_channels)
        self.pointwise = conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, in, h, w] to [batch, out, h, w]."""
        y: Tensor = self.pointwise(self.conv1(x))
        return y


class Block(nn.Module):
    """A module of the paper's figure 5: separable convolutions beside a shortcut.

    `channels` are those after each separable convolution. A block that `halves` the size ends in
    a max pool and has a 1x1 convolution as its shortcut; otherwise the shortcut is the identity.
    """

    def __init__(
        self,
        in_channels: int,
        channels: tuple[int, ...],
        *,
        halves: bool = True,
        relu_first: bool = True,
        padding: str = "symmetric",
        bn_eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.skip: nn.Module = nn.Identity()
        self.skipbn: nn.Module = nn.Identity()
        if halves:
            self.skip = conv2d(in_channels, channels[-1], 1, stride=2)
            self.skipbn = nn.BatchNorm2d(channels[-1], bn_eps)
        layers: list[nn.Module] = []
        for index, out_channels in enumerate(channels):
            if index > 0 or relu_first:
                layers.append(nn.ReLU())
            layers.append(SeparableConv2d(in_channels, out_channels))
            layers.append(nn.BatchNorm2d(out_channels, bn_eps))
            in_channels = out_channels
        if halves:
            pool = SamePadMaxPool2d() if padding == "same" else nn.MaxPool2d(3, 2, padding=1)
            layers.append(pool)
        self.rep = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, in, h, w] to [batch, out, h, w], or half of h and w rounded up."""
        y: Tensor = self.rep(x) + self.skipbn(self.skip(x))
        return y


class Xception(nn.Module):
    """The net of the paper."""

    def __init__(
        self,
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        input_size: int | None = None,
        dropout: float = 0.5,
        padding: str = "symmetric",
        bn_eps: float = 1e-5,
    ) -> None:
        super().__init__()
        stride = stem_for(input_size).stride
        self.conv1 = nn.Conv2d(in_channels, 32, 3, stride=stride, bias=False)
        self.bn1 = nn.BatchNorm2d(32, bn_eps)
        self.conv2 = nn.Conv2d(32, 64, 3, bias=False)
        self.bn2 = nn.BatchNorm2d(64, bn_eps)
        self.block1 = Block(64, (128, 128), relu_first=False, padding=padding, bn_eps=bn_eps)
        self.block2 = Block(128, (256, 256), padding=padding, bn_eps=bn_eps)
        self.block3 = Block(256, (728, 728), padding=padding, bn_eps=bn_eps)
        for number in MIDDLE_MODULES:
            block = Block(728, (728, 728, 728), halves=False, bn_eps=bn_eps)
            self.add_module(f"block{number}", block)
        self.block12 = Block(728, (728, 1024), padding=padding, bn_eps=bn_eps)
        self.conv3 = SeparableConv2d(1024, 1536)
        self.bn3 = nn.BatchNorm2d(1536, bn_eps)
        self.conv4 = SeparableConv2d(1536, 2048)
        self.bn4 = nn.BatchNorm2d(2048, bn_eps)
        self.global_pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(2048, num_classes)
        # The paper names no initialisation.
        init_fan_out(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map images [batch, in_channels, height, width] to logits [batch, num_classes]."""
        # Entry flow: N x 3 x 299 x 299
        x = F.relu(self.bn1(self.conv1(x)))
        # N x 32 x 149 x 149
        x = F.relu(self.bn2(self.conv2(x)))
        # N x 64 x 147 x 147
        x = self.block1(x)
        # N x 128 x 74 x 74
        x = self.block2(x)
        # N x 256 x 37 x 37
        x = self.block3(x)
        # Middle flow: N x 728 x 19 x 19
        for number in MIDDLE_MODULES:
            x = self.get_submodule(f"block{number}")(x)
        # Exit flow
        x = self.block12(x)
        # N x 1024 x 10 x 10
        x = F.relu(self.bn3(self.conv3(x)))
        # N x 1536 x 10 x 10
        x = F.relu(self.bn4(self.conv4(x)))
        # N x 2048 x 10 x 10
        x = self.global_pool(x).flatten(1)
        # N x 2048
        logits: Tensor = self.fc(self.dropout(x))
        return logits


PAPER = Paper(
    "Xception: Deep Learning with Depthwise Separable Convolutions",
    2016,
    "https://arxiv.org/abs/1610.02357",
)
ARCHITECTURES = (
    Architecture(
        name="xception",
        summary="Inception taken to depthwise separable convolutions with shortcuts",
        build=Xception,
        input_size=299,
        minimum_input_size=20,  # 4 px for the unpadded stem, then the reduction by 16
        paper=PAPER,
        options={"padding": PADDING, "bn_eps": BN_EPS},
        table=(
            TabledVariant(
                {},
                22_855_952,
                8_357_403_496,
                (
                    PublishedAccuracy("paper", 0.790, 0.945, 299),
                    PublishedAccuracy("timm legacy_xception.tf_in1k", 0.79058, 0.94396, 299),
                    PublishedAccuracy("pytorchcv xception", 0.7965, 0.9484, 299),
                ),
            ),
        ),
    ),
)
