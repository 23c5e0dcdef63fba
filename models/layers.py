"""What the nets are made of beside PyTorch's layers: stem rule, padding, LRN, initialisation.

The stem rule fits every net to small images, so that it can be trained on a small data set.
A paper's net shrinks its input about 32 times, which leaves nothing of a 32 px image:

| input size     | stride of the first convolution | pool of the stem |
|----------------|---------------------------------|------------------|
| None, above 96 | the paper's, 2                  | the paper's      |
| 49 to 96       | 1                               | the paper's      |
| up to 48       | 1                               | left out         |

The pool of the stem is the first pool, where the paper has one before the first block. From 32 px
on, the last map is then at least 2 x 2. Weights do not depend on the rule, so a checkpoint loads at
any size.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's own convention)
from torch import Tensor, nn

from models.spec import Option

SMALL_INPUT = 96
TINY_INPUT = 48

PADDING = Option(
    str,
    "symmetric",
    "padding of strided layers: 'same' is TensorFlow's, for weights that come from it",
    ("symmetric", "same"),
)
BN_EPS = Option(
    float, 1e-5, "epsilon of batch norm: 1e-5 in PyTorch, 1e-3 for weights from TensorFlow"
)


@dataclass(frozen=True, slots=True)
class Stem:
    """Geometry of a net's first layers: stride of the first convolution, and whether to pool."""

    stride: int
    pool: bool


def stem_for(input_size: int | None) -> Stem:
    """Return the stem for square inputs of this many pixels; None means the paper's."""
    if input_size is None or input_size > SMALL_INPUT:
        return Stem(stride=2, pool=True)
    return Stem(stride=1, pool=input_size > TINY_INPUT)


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return TensorFlow's 'SAME' padding before and after an axis of `size` pixels.

    The output has ceil(size / stride) pixels; an odd total puts the extra pixel after. So a
    strided 3x3 layer pads (0, 1) on even sizes, where PyTorch's habit is (1, 1).
    """
    outputs = math.ceil(size / stride)
    total = max((outputs - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class SamePadConv2d(nn.Conv2d):
    """A convolution with TensorFlow's 'SAME' padding, which depends on the input's size."""

    def forward(self, input: Tensor) -> Tensor:
        """Map [batch, in, height, width] to [batch, out, ceil(height / s), ceil(width / s)]."""
        top, bottom = same_padding(input.shape[-2], self.kernel_size[0], self.stride[0])
        left, right = same_padding(input.shape[-1], self.kernel_size[1], self.stride[1])
        padding = (top, left)
        if (top, left) != (bottom, right):
            # An own node in the graph, so only where the convolution cannot pad by itself.
            input, padding = F.pad(input, (left, right, top, bottom)), (0, 0)
        return F.conv2d(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )


class SamePadMaxPool2d(nn.Module):
    """A 3x3 max pool of stride 2 with TensorFlow's 'SAME' padding."""

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, c, height, width] to [batch, c, ceil(height / 2), ceil(width / 2)]."""
        top, _ = same_padding(x.shape[-2], 3, 2)
        left, _ = same_padding(x.shape[-1], 3, 2)
        # ceil_mode adds the last, cut-off window, which is what padding after the edge amounts to.
        return F.max_pool2d(x, 3, 2, padding=(top, left), ceil_mode=True)


class LocalResponseNorm(nn.Module):
    """Divide by (1 + alpha/5 * sum of squares over 5 neighbouring channels) ** 0.75.

    Equal to `F.local_response_norm(x, 5)`, but the sum is a 1x1 convolution of the squares with
    a banded matrix and the power is made of square roots. ONNX Runtime's own LRN took 12.3 ms on
    1 x 192 x 56 x 56, where this form takes under 2 ms. The matrix is a constant: it is in no state
    dict, and its MACs are normalisation, not counted.
    """

    band: Tensor

    def __init__(self, channels: int, size: int = 5, alpha: float = 1e-4) -> None:
        super().__init__()
        index = torch.arange(channels)
        near = (index[:, None] - index[None, :]).abs() <= size // 2
        band = near.to(torch.get_default_dtype()) * (alpha / size)
        self.register_buffer("band", band[:, :, None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, channels, h, w] to the same shape."""
        root = (1.0 + F.conv2d(x * x, self.band)).sqrt()
        return x / (root * root.sqrt())


def conv2d(  # the arguments of nn.Conv2d
    in_channels: int,
    out_channels: int,
    kernel: int,
    *,
    stride: int = 1,
    groups: int = 1,
    padding: str = "symmetric",
) -> nn.Conv2d:
    """Build a convolution without bias whose stride-1 form keeps the size.

    `padding` matters only at stride 2: with an odd kernel, 'same' is symmetric at stride 1.
    """
    layer = SamePadConv2d if padding == "same" and stride > 1 else nn.Conv2d
    return layer(
        in_channels,
        out_channels,
        kernel,
        stride=stride,
        padding=kernel // 2,
        groups=groups,
        bias=False,
    )


def activation_layer(name: str) -> nn.Module:
    """Build the activation called 'relu' or 'relu6'."""
    return nn.ReLU6() if name == "relu6" else nn.ReLU()


def round_channels(channels: float, divisor: int = 8) -> int:
    """Round to a multiple of `divisor`, never losing more than a tenth (EfficientNet's rule)."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def init_fan_out(model: nn.Module) -> None:
    """Initialise convolutions for ReLU: normal, variance 2 / fan-out (He et al. 2015).

    PyTorch's `kaiming_normal_` ignores groups and would start depthwise layers far too small.
    """
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            height, width = layer.kernel_size
            fan_out = layer.out_channels * height * width // layer.groups
            nn.init.normal_(layer.weight, std=math.sqrt(2.0 / fan_out))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
