"""ShuffleNet v1.

Paper: Zhang et al., "ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile
Devices", 2017, https://arxiv.org/abs/1707.01083. Grouped 1x1 convolutions, and between them a
channel shuffle that lets the groups exchange information.

The paper's table of widths cannot be built literally for every scale and number of groups. Rules:
- a unit's bottleneck is a quarter of its output, rounded up to a multiple of the groups;
- the stem has 24 channels from 1x, 48 from 2x, and below 1x 12, or 16 with 8 groups (12 does not
  divide; these sizes also meet the paper's complexity, which scaling the stem does not);
- what still does not divide is refused, with the channels in question.

Module names are pytorchcv's, which shuffles as the paper draws it. Megvii's weights need
`shuffle_order="megvii"`: they shuffle after the depthwise convolution, by the inverse permutation,
and concatenate the shortcut first.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's own convention)
from torch import Tensor, nn

from models.errors import InvalidOptionError
from models.layers import conv2d, init_fan_out, stem_for
from models.spec import Architecture, Option, OptionValue, Paper, PublishedAccuracy, TabledVariant

__all__ = ["ARCHITECTURES", "ShuffleNetV1", "channel_shuffle"]

# groups -> output channels of stages 2, 3 and 4 at 1x (the paper's table 1)
WIDTHS = {
    1: (144, 288, 576),
    2: (200, 400, 800),
    3: (240, 480, 960),
    4: (272, 544, 1088),
    8: (384, 768, 1536),
}
REPEATS = (4, 8, 4)
PAPER_ORDER = "paper"
MEGVII_ORDER = "megvii"


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Interleave the channels of `groups` equal groups: (a0 a1 b0 b1) becomes (a0 b0 a1 b1).

    `groups = channels / g` undoes `groups = g`.
    """
    # N x C x H x W -> N x g x C/g x H x W -> N x C/g x g x H x W -> N x C x H x W
    x = torch.unflatten(x, 1, (groups, x.shape[1] // groups))
    return x.transpose(1, 2).flatten(1, 2)


class ShuffleUnit(nn.Module):
    """Figure 2 (b) and (c) of the paper: grouped 1x1, shuffle, depthwise 3x3, grouped 1x1.

    At stride 1 the input is added; at stride 2 its average pool is concatenated, and the branch
    makes only the channels that are missing.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        groups: int,
        stride: int,
        *,
        first_groups: int,
        shuffle_order: str | None,
    ) -> None:
        super().__init__()
        middle = bottleneck_channels(out_channels, groups)
        if stride == 2:
            out_channels -= in_channels
        self.compress_conv1 = conv2d(in_channels, middle, 1, groups=first_groups)
        self.compress_bn1 = nn.BatchNorm2d(middle)
        self.dw_conv2 = conv2d(middle, middle, 3, stride=stride, groups=middle)
        self.dw_bn2 = nn.BatchNorm2d(middle)
        self.expand_conv3 = conv2d(middle, out_channels, 1, groups=groups)
        self.expand_bn3 = nn.BatchNorm2d(out_channels)
        self.groups = groups
        self.stride = stride
        self.shuffle_order = shuffle_order

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, in, h, w] to [batch, out, h / stride, w / stride]."""
        y: Tensor = F.relu(self.compress_bn1(self.compress_conv1(x)))
        if self.shuffle_order == PAPER_ORDER:
            y = channel_shuffle(y, self.groups)
        y = self.dw_bn2(self.dw_conv2(y))
        if self.shuffle_order == MEGVII_ORDER:
            y = channel_shuffle(y, y.shape[1] // self.groups)
        y = self.expand_bn3(self.expand_conv3(y))
        if self.stride == 1:
            return F.relu(x + y)
        shortcut = F.avg_pool2d(x, 3, stride=2, padding=1)
        parts = (shortcut, y) if self.shuffle_order == MEGVII_ORDER else (y, shortcut)
        return F.relu(torch.cat(parts, dim=1))


class StemBlock(nn.Module):
    """The first convolution and pool."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, pool: bool) -> None:
        super().__init__()
        self.conv = conv2d(in_channels, out_channels, 3, stride=stride)
        self.bn = nn.BatchNorm2d(out_channels)
        self.pool = nn.MaxPool2d(3, 2, padding=1) if pool else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, in, h, w] to [batch, out, h / 4, w / 4] with the paper's stem."""
        y: Tensor = self.pool(F.relu(self.bn(self.conv(x))))
        return y


class ShuffleNetV1(nn.Module):
    """The net for one number of groups and one scale of its widths."""

    def __init__(  # noqa: PLR0913  (one argument for each option of the variant)
        self,
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        input_size: int | None = None,
        dropout: float = 0.0,
        groups: int = 3,
        scale: float = 1.0,
        shuffle: bool = True,
        shuffle_order: str = PAPER_ORDER,
        stem: int | None = None,
    ) -> None:
        super().__init__()
        widths = stage_widths(groups, scale)
        geometry = stem_for(input_size)
        channels = stem_channels(groups, scale) if stem is None else stem
        check_divisible(channels, widths, groups)
        self.features = nn.Sequential()
        self.features.add_module(
            "init_block", StemBlock(in_channels, channels, geometry.stride, geometry.pool)
        )
        for number, (width, repeats) in enumerate(zip(widths, REPEATS, strict=True), start=1):
            stage = nn.Sequential()
            for index in range(repeats):
                unit = ShuffleUnit(
                    channels,
                    width,
                    groups,
                    stride=2 if index == 0 else 1,
                    # The paper: too few channels enter stage 2 to group its first convolution.
                    first_groups=1 if (number, index) == (1, 0) else groups,
                    shuffle_order=shuffle_order if shuffle else None,
                )
                stage.add_module(f"unit{index + 1}", unit)
                channels = width
            self.features.add_module(f"stage{number}", stage)
        self.final_pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(channels, num_classes)
        # The paper names no initialisation.
        init_fan_out(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map images [batch, in_channels, height, width] to logits [batch, num_classes]."""
        # N x 3 x 224 x 224
        x = self.features(x)
        # N x 960 x 7 x 7 (1x, 3 groups)
        x = self.final_pool(x).flatten(1)
        # N x 960
        logits: Tensor = self.output(self.dropout(x))
        return logits


def stage_widths(groups: int, scale: float) -> tuple[int, ...]:
    """Return the output channels of the three stages."""
    return tuple(int(width * scale) for width in WIDTHS[groups])


def stem_channels(groups: int, scale: float) -> int:
    """Return the stem's channels by the rule in the module's docstring."""
    if scale >= 2.0:
        return 48
    if scale >= 1.0:
        return 24
    return 16 if groups == 8 else 12


def bottleneck_channels(out_channels: int, groups: int) -> int:
    """Return a quarter of a unit's output, rounded up to a multiple of the groups."""
    return -(-(out_channels // 4) // groups) * groups


def check_divisible(stem: int, widths: tuple[int, ...], groups: int) -> None:
    """Refuse widths that the groups do not divide, or that do not grow from stage to stage."""
    channels = stem
    for number, width in enumerate(widths, start=2):
        if width % groups or (width - channels) % groups or not 0 < channels < width:
            raise InvalidOptionError(
                f"shufflenet_v1: stage {number} widens {channels} to {width} channels, which "
                f"{groups} groups cannot do: the new and the total channels must divide by them"
            )
        channels = width


PAPER = Paper(
    "ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices",
    2017,
    "https://arxiv.org/abs/1707.01083",
)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the family's table: counts, and published errors in percent.

    Top-1 for the paper (with the shuffle, and without it in its ablation); (top-1, top-5) for
    pytorchcv's and Megvii's checkpoints. `stem=None` is the stem by rule.
    """

    scale: float
    groups: int
    parameters: int
    macs: int
    paper: float | None = None
    unshuffled: float | None = None
    pytorchcv: tuple[float, float] | None = None
    megvii: tuple[float, float] | None = None
    stem: int | None = None

    def tabled(self, shuffle: bool) -> TabledVariant:
        """Return the row for the net with or without the shuffle, which changes no count."""
        options: dict[str, OptionValue] = {
            "groups": self.groups,
            "scale": self.scale,
            "stem": self.stem,
            "shuffle": shuffle,
        }
        return TabledVariant(options, self.parameters, self.macs, self._published(shuffle))

    def _published(self, shuffle: bool) -> tuple[PublishedAccuracy, ...]:
        checkpoints = (("pytorchcv", self.pytorchcv), ("Megvii", self.megvii))
        found: list[tuple[str, float | None, float | None]]
        if not shuffle:
            found = [("paper, ablation", self.unshuffled, None)]
        else:
            found = [("paper", self.paper, None)]
            found += [(source, *errors) for source, errors in checkpoints if errors]
        return tuple(
            PublishedAccuracy.from_errors(source, top1, top5, 224)
            for source, top1, top5 in found
            if top1 is not None
        )


TABLE = (
    Row(1.0, 1, 1_531_936, 143_078_976, 33.6, pytorchcv=(34.93, 13.89)),
    Row(1.0, 2, 1_733_848, 140_836_512, 32.7, pytorchcv=(34.25, 13.63)),
    Row(1.0, 3, 1_865_728, 137_460_672, 32.6, 34.5, (34.39, 13.48), (32.2, 12.3)),
    Row(1.0, 4, 1_968_344, 134_339_776, 32.8, pytorchcv=(34.19, 13.35)),
    Row(1.0, 8, 2_434_768, 138_365_952, 32.4, 37.6, (34.06, 13.42), (32.0, 13.6)),
    Row(0.5, 1, 534_484, 38_517_408, 45.1, pytorchcv=(46.59, 22.61)),
    Row(0.5, 2, 643_932, 38_570_608, 44.4),
    Row(0.5, 3, 718_324, 37_589_856, 43.2, 45.7, (44.16, 20.80), (42.7, 20.0)),
    Row(0.5, 4, 778_040, 37_468_832, 41.6),
    Row(0.5, 8, 1_011_448, 40_469_760, 42.3, 48.1, megvii=(41.2, 19.0)),
    Row(0.25, 1, 209_908, 13_162_320, 57.1),
    Row(0.25, 1, 209_746, 11_003_184, pytorchcv=(62.44, 37.29), stem=6),
    Row(0.25, 2, 267_224, 13_386_292, 56.8),
    Row(0.25, 3, 306_124, 13_300_656, 55.0, 56.3),
    Row(0.25, 3, 305_902, 11_009_808, pytorchcv=(61.74, 36.53), stem=6),
    Row(0.25, 4, 339_420, 13_984_552, 54.2),
    Row(0.25, 8, 454_888, 15_719_040, 52.7, 56.5),
    Row(0.25, 8, 454_504, 12_426_240, stem=8),
    Row(1.5, 3, 3_442_168, 292_443_552, 28.5, megvii=(28.4, 9.8)),
    Row(1.5, 8, 4_269_952, 290_188_800, megvii=(29.0, 10.4)),
    Row(2.0, 3, 5_450_776, 524_045_184, 26.3, megvii=(25.9, 8.6)),
    Row(2.0, 8, 6_522_232, 521_942_016, megvii=(27.1, 9.2)),
)


ARCHITECTURES = (
    Architecture(
        name="shufflenet_v1",
        summary="Grouped 1x1 convolutions that exchange channels by a shuffle",
        build=ShuffleNetV1,
        input_size=224,
        minimum_input_size=8,  # the reduction of the net with the stem for tiny inputs
        paper=PAPER,
        options={
            "groups": Option(int, 3, "groups of the 1x1 convolutions", tuple(WIDTHS)),
            "scale": Option(float, 1.0, "multiplier of the stages' widths"),
            "shuffle": Option(bool, True, "False for the paper's ablation"),
            "shuffle_order": Option(
                str, PAPER_ORDER, "'megvii' for weights from Megvii", (PAPER_ORDER, MEGVII_ORDER)
            ),
            "stem": Option(int, None, "channels of the stem; by default by rule"),
        },
        table=tuple(row.tabled(shuffle) for shuffle in (True, False) for row in TABLE),
    ),
)
