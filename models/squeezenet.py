"""SqueezeNet 1.0 and 1.1.

Paper: Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB
model size", 2016, https://arxiv.org/abs/1602.07360. Version 1.1 comes from the authors' repository
(https://github.com/forresti/SqueezeNet): the same accuracy for 2.4 times fewer MACs.

Two things follow Caffe, in which the nets were trained: the first convolution has no padding, and
every pool rounds its output size up. Module names are torchvision's, so its state dicts load as
they are.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from models.layers import stem_for
from models.spec import Architecture, Option, Paper, PublishedAccuracy, TabledVariant

__all__ = ["ARCHITECTURES", "Fire", "SqueezeNet"]

# (squeeze, expand) of the eight fire modules; the two halves of an expansion are equally wide.
FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))


@dataclass(frozen=True, slots=True)
class Version:
    """Where the two versions differ: the stem, and which fire modules a pool precedes."""

    stem_channels: int
    stem_kernel: int
    pool_before: tuple[int, ...]


V1_0 = Version(96, 7, pool_before=(0, 3, 7))
V1_1 = Version(64, 3, pool_before=(0, 2, 4))


class Fire(nn.Module):
    """Squeeze by a 1x1 convolution, then expand by 1x1 and 3x3 side by side."""

    def __init__(self, in_channels: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(in_channels, squeeze, 1)
        self.squeeze_activation = nn.ReLU()
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand1x1_activation = nn.ReLU()
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)
        self.expand3x3_activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, in, h, w] to [batch, 2 * expand, h, w]."""
        x = self.squeeze_activation(self.squeeze(x))
        return torch.cat(
            (
                self.expand1x1_activation(self.expand1x1(x)),
                self.expand3x3_activation(self.expand3x3(x)),
            ),
            dim=1,
        )


class SqueezeNet(nn.Module):
    """The net of one version; `conv10_padding=1` is the Caffe 1.0 original's."""

    def __init__(
        self,
        version: Version,
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        input_size: int | None = None,
        dropout: float = 0.5,
        conv10_padding: int = 0,
    ) -> None:
        super().__init__()
        stem = stem_for(input_size)
        channels = version.stem_channels
        layers: list[nn.Module] = [
            nn.Conv2d(in_channels, channels, version.stem_kernel, stride=stem.stride),
            nn.ReLU(),
        ]
        for index, (squeeze, expand) in enumerate(FIRES):
            if index in version.pool_before:
                kept = stem.pool or index > 0
                # The identity keeps the numbering, and with it the names of the weights.
                layers.append(nn.MaxPool2d(3, 2, ceil_mode=True) if kept else nn.Identity())
            layers.append(Fire(channels, squeeze, expand))
            channels = 2 * expand
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Conv2d(channels, num_classes, 1, padding=conv10_padding),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
        )
        self._initialise()

    def forward(self, x: Tensor) -> Tensor:
        """Map images [batch, in_channels, height, width] to logits [batch, num_classes]."""
        # N x 3 x 224 x 224
        x = self.features(x)
        # N x 512 x 13 x 13
        x = self.classifier(x)
        # N x num_classes x 1 x 1
        return x.flatten(1)

    def _initialise(self) -> None:
        """Glorot-like uniform everywhere, a narrow normal in the last layer, as in Caffe."""
        last = self.classifier[1]
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                if layer is last:
                    nn.init.normal_(layer.weight, std=0.01)
                else:
                    nn.init.kaiming_uniform_(layer.weight)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)


PAPER = Paper(
    "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size",
    2016,
    "https://arxiv.org/abs/1602.07360",
)
CONV10_PADDING = Option(
    int, 0, "padding of the last 1x1 convolution: 1 for weights of the Caffe 1.0 original", (0, 1)
)
ARCHITECTURES = (
    Architecture(
        name="squeezenet1_0",
        summary="Fire modules: AlexNet's accuracy in 1.2 million parameters",
        build=partial(SqueezeNet, V1_0),
        input_size=224,
        minimum_input_size=10,  # 7x7 without padding, then two pools without padding
        paper=PAPER,
        options={"conv10_padding": CONV10_PADDING},
        table=(
            TabledVariant(
                {"conv10_padding": 0},
                1_248_424,
                818_924_576,
                (
                    PublishedAccuracy("paper", 0.575, 0.803, 224),
                    PublishedAccuracy("torchvision IMAGENET1K_V1", 0.58092, 0.80420, 224),
                    PublishedAccuracy("pytorchcv squeezenet_v1_0", 0.6071, 0.8234, 224),
                ),
            ),
        ),
    ),
    Architecture(
        name="squeezenet1_1",
        summary="SqueezeNet 1.0's accuracy for 2.4 times fewer MACs",
        build=partial(SqueezeNet, V1_1),
        input_size=224,
        minimum_input_size=6,  # 3x3 without padding, then two pools without padding
        paper=PAPER,
        options={"conv10_padding": CONV10_PADDING},
        table=(
            TabledVariant(
                {"conv10_padding": 0},
                1_235_496,
                349_151_936,
                (
                    # The repository states "at least 80.3 % top-5" and no top-1.
                    PublishedAccuracy("authors' repository (lower bound)", None, 0.803, 224),
                    PublishedAccuracy("torchvision IMAGENET1K_V1", 0.58178, 0.80624, 224),
                    PublishedAccuracy("pytorchcv squeezenet_v1_1", 0.6069, 0.8228, 224),
                ),
            ),
        ),
    ),
)
