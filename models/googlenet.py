"""GoogLeNet (Inception v1) in three forms, with auxiliary classifiers for training.

Paper: Szegedy et al., "Going Deeper with Convolutions", 2014, https://arxiv.org/abs/1409.4842.

| form        | convolutions      | "5x5" branch | after stem | last pool | dropout |
|-------------|-------------------|--------------|------------|-----------|---------|
| paper       | bias              | 5x5          | LRN        | 3x3       | 0.4     |
| bn          | batch norm        | 5x5          | -          | 3x3       | 0.4     |
| torchvision | batch norm        | 3x3          | -          | 2x2       | 0.2     |

torchvision's 3x3 is a bug of the net its weights came from (pytorch/vision issue 906), and they
need it. Module names are torchvision's. Every pool that strides rounds its output size up, as in
Caffe. `forward` returns the main logits only, in training too; `forward_with_aux` returns all
three, and an exported net is built with `aux=False`.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's own convention)
from torch import Tensor, nn

from models.errors import InvalidOptionError
from models.layers import LocalResponseNorm, init_fan_out, stem_for
from models.spec import Architecture, Option, Paper, PublishedAccuracy, TabledVariant

__all__ = ["ARCHITECTURES", "GoogLeNet", "GoogLeNetOutputs"]


@dataclass(frozen=True, slots=True)
class Form:
    """Where the forms differ."""

    batch_norm: bool
    large_kernel: int
    response_norm: bool
    last_pool: int
    dropout: float


FORMS = {
    "paper": Form(False, 5, True, 3, 0.4),
    "bn": Form(True, 5, False, 3, 0.4),
    "torchvision": Form(True, 3, False, 2, 0.2),
}
BN_EPS_DEFAULT = 1e-3
AUX_DROPOUT = 0.7


class GoogLeNetOutputs(NamedTuple):
    """Logits [batch, num_classes] of the main head and of those after blocks 4a and 4d."""

    logits: Tensor
    aux1: Tensor
    aux2: Tensor


class ConvUnit(nn.Module):
    """A convolution and ReLU, with batch norm or a bias, that keeps the size at stride 1."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        stride: int = 1,
        batch_norm: bool,
        bn_eps: float,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel,
            stride=stride,
            padding=kernel // 2,
            bias=not batch_norm,
        )
        self.bn = nn.BatchNorm2d(out_channels, bn_eps) if batch_norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, in, h, w] to [batch, out, h / stride, w / stride]."""
        return F.relu(self.bn(self.conv(x)))


# A ConvUnit of the net's form: (in_channels, out_channels, kernel, *, stride=1).
Unit = partial[ConvUnit]


class Inception(nn.Module):
    """Four branches side by side; `widths` is a row of the paper's table 1.

    That is: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection.
    """

    def __init__(self, unit: Unit, large_kernel: int, in_channels: int, *widths: int) -> None:
        super().__init__()
        narrow, reduce3, wide3, reduce5, wide5, projected = widths
        self.branch1 = unit(in_channels, narrow, 1)
        self.branch2 = nn.Sequential(unit(in_channels, reduce3, 1), unit(reduce3, wide3, 3))
        self.branch3 = nn.Sequential(
            unit(in_channels, reduce5, 1), unit(reduce5, wide5, large_kernel)
        )
        # Index 0 is a pool, so that the weights are called branch4.1 as in torchvision.
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1), unit(in_channels, projected, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, in, h, w] to [batch, 1x1 + 3x3 + 5x5 + projection, h, w]."""
        branches = (self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x))
        return torch.cat(branches, dim=1)


class AuxiliaryHead(nn.Module):
    """A classifier on a middle block, for training only."""

    def __init__(self, unit: Unit, in_channels: int, num_classes: int, pool: nn.Module) -> None:
        super().__init__()
        self.pool = pool
        self.conv = unit(in_channels, 128, 1)
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.dropout = nn.Dropout(AUX_DROPOUT)
        self.fc2 = nn.Linear(1024, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, in, h, w] to logits [batch, num_classes]."""
        # N x 512 x 14 x 14
        x = self.conv(self.pool(x)).flatten(1)
        # N x 2048
        x = self.dropout(F.relu(self.fc1(x)))
        logits: Tensor = self.fc2(x)
        return logits


class GoogLeNet(nn.Module):
    """The net in one form; `dropout=None` takes the form's own."""

    def __init__(
        self,
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        input_size: int | None = None,
        dropout: float | None = None,
        form: str = "paper",
        aux: bool = False,
        bn_eps: float = BN_EPS_DEFAULT,
    ) -> None:
        super().__init__()
        shape = FORMS[form]
        unit: Unit = partial(ConvUnit, batch_norm=shape.batch_norm, bn_eps=bn_eps)
        self._build_stem(unit, shape, in_channels, input_size)
        self._build_blocks(partial(Inception, unit, shape.large_kernel), shape)
        self.aux1: AuxiliaryHead | None = None
        self.aux2: AuxiliaryHead | None = None
        if aux:
            pool = _aux_pool(form, input_size)
            self.aux1 = AuxiliaryHead(unit, 512, num_classes, pool)
            self.aux2 = AuxiliaryHead(unit, 528, num_classes, pool)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(shape.dropout if dropout is None else dropout)
        self.fc = nn.Linear(1024, num_classes)
        if shape.batch_norm:
            init_fan_out(self)
        else:
            _init_xavier(self)

    def _build_stem(
        self, unit: Unit, shape: Form, in_channels: int, input_size: int | None
    ) -> None:
        stem = stem_for(input_size)
        self.conv1 = unit(in_channels, 64, 7, stride=stem.stride)
        self.maxpool1 = _ceil_pool(3) if stem.pool else nn.Identity()
        self.lrn1 = LocalResponseNorm(64) if shape.response_norm else nn.Identity()
        self.conv2 = unit(64, 64, 1)
        self.conv3 = unit(64, 192, 3)
        self.lrn2 = LocalResponseNorm(192) if shape.response_norm else nn.Identity()
        self.maxpool2 = _ceil_pool(3)

    def _build_blocks(self, block: partial[Inception], shape: Form) -> None:
        self.inception3a = block(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = block(256, 128, 128, 192, 32, 96, 64)
        self.maxpool3 = _ceil_pool(3)
        self.inception4a = block(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = block(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = block(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = block(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = block(528, 256, 160, 320, 32, 128, 128)
        self.maxpool4 = _ceil_pool(shape.last_pool)
        self.inception5a = block(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = block(832, 384, 192, 384, 48, 128, 128)

    def forward(self, x: Tensor) -> Tensor:
        """Map images [batch, in_channels, height, width] to logits [batch, num_classes]."""
        return self._classify(self._maps(x)[-1])

    def forward_with_aux(self, x: Tensor) -> GoogLeNetOutputs:
        """Return the logits of all three heads; raises `InvalidOptionError` without `aux=True`.

        The paper adds the auxiliary losses with a weight of 0.3 each.
        """
        if self.aux1 is None or self.aux2 is None:
            raise InvalidOptionError("googlenet: built with aux=False, so it has no other heads")
        after_4a, after_4d, last = self._maps(x)
        return GoogLeNetOutputs(self._classify(last), self.aux1(after_4a), self.aux2(after_4d))

    def _maps(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what blocks 4a, 4d and 5b give."""
        # N x 3 x 224 x 224
        x = self.lrn1(self.maxpool1(self.conv1(x)))
        # N x 64 x 56 x 56
        x = self.maxpool2(self.lrn2(self.conv3(self.conv2(x))))
        # N x 192 x 28 x 28
        x = self.inception3b(self.inception3a(x))
        # N x 480 x 28 x 28
        after_4a: Tensor = self.inception4a(self.maxpool3(x))
        # N x 512 x 14 x 14
        after_4d: Tensor = self.inception4d(self.inception4c(self.inception4b(after_4a)))
        # N x 528 x 14 x 14
        x = self.maxpool4(self.inception4e(after_4d))
        # N x 832 x 7 x 7
        x = self.inception5b(self.inception5a(x))
        # N x 1024 x 7 x 7
        return after_4a, after_4d, x

    def _classify(self, x: Tensor) -> Tensor:
        # N x 1024 x 7 x 7
        x = self.avgpool(x).flatten(1)
        # N x 1024
        logits: Tensor = self.fc(self.dropout(x))
        return logits


def _ceil_pool(kernel: int) -> nn.MaxPool2d:
    return nn.MaxPool2d(kernel, stride=2, ceil_mode=True)


def _aux_pool(form: str, input_size: int | None) -> nn.Module:
    """Return the pool to 4 x 4 before an auxiliary head: the paper's fits 14 x 14 maps only."""
    if form != "torchvision" and input_size in (None, 224):
        return nn.AvgPool2d(5, stride=3)
    return nn.AdaptiveAvgPool2d(4)


def _init_xavier(model: nn.Module) -> None:
    """Initialise as the Caffe model does: Glorot uniform, convolution biases 0.2."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            assert layer.bias is not None
            nn.init.constant_(layer.bias, 0.2 if isinstance(layer, nn.Conv2d) else 0.0)


PAPER = Paper("Going Deeper with Convolutions", 2014, "https://arxiv.org/abs/1409.4842")
CAFFE = (
    # The paper gives a single-crop top-5 error of 10.07 % and no top-1.
    PublishedAccuracy("paper", None, 0.8993, 224),
    PublishedAccuracy("Caffe bvlc_googlenet", 0.687, 0.889, 224),
)
TV = (PublishedAccuracy("torchvision IMAGENET1K_V1", 0.69778, 0.89530, 224),)
# The MACs are those of `forward`; the auxiliary heads add 8,372,224 in training.
ARCHITECTURES = (
    Architecture(
        name="googlenet",
        summary="Inception modules: parallel 1x1, 3x3, 5x5 and pooled branches",
        build=GoogLeNet,
        input_size=224,
        minimum_input_size=8,  # the reduction of the net with the stem for tiny inputs
        paper=PAPER,
        options={
            "form": Option(
                str, "paper", "the paper's net, with batch norm, or torchvision's", tuple(FORMS)
            ),
            "aux": Option(bool, False, "True adds the two auxiliary classifiers for training"),
            "bn_eps": Option(float, BN_EPS_DEFAULT, "epsilon of batch norm, 1e-3 as in TensorFlow"),
        },
        table=(
            TabledVariant({"form": "paper", "aux": False}, 6_998_552, 1_582_671_872, CAFFE),
            TabledVariant({"form": "paper", "aux": True}, 13_378_280, 1_582_671_872, CAFFE),
            TabledVariant({"form": "bn", "aux": False}, 7_005_832, 1_582_671_872),
            TabledVariant({"form": "bn", "aux": True}, 13_385_816, 1_582_671_872),
            TabledVariant({"form": "torchvision", "aux": False}, 6_624_904, 1_498_376_192, TV),
            TabledVariant({"form": "torchvision", "aux": True}, 13_004_888, 1_498_376_192, TV),
        ),
    ),
)
