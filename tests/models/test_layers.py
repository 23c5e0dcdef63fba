import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from models.layers import (
    LocalResponseNorm,
    SamePadConv2d,
    SamePadMaxPool2d,
    Stem,
    activation_layer,
    conv2d,
    init_fan_out,
    round_channels,
    same_padding,
    stem_for,
)


@pytest.mark.parametrize(
    ("input_size", "stem"),
    [
        (None, Stem(2, pool=True)),
        (224, Stem(2, pool=True)),
        (97, Stem(2, pool=True)),
        (96, Stem(1, pool=True)),
        (49, Stem(1, pool=True)),
        (48, Stem(1, pool=False)),
        (32, Stem(1, pool=False)),
    ],
)
def test_stem_follows_the_documented_rule(input_size: int | None, stem: Stem) -> None:
    assert stem_for(input_size) == stem


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "expected"),
    [
        (224, 3, 2, (0, 1)),  # Keras: ZeroPadding2D(((0, 1), (0, 1)))
        (147, 3, 2, (1, 1)),
        (74, 3, 2, (0, 1)),
        (56, 5, 2, (1, 2)),
        (65, 5, 2, (2, 2)),
        (28, 3, 1, (1, 1)),
        (8, 1, 2, (0, 0)),
    ],
)
def test_same_padding_is_tensorflows(
    size: int, kernel: int, stride: int, expected: tuple[int, int]
) -> None:
    assert same_padding(size, kernel, stride) == expected


@pytest.mark.parametrize(
    ("size", "kernel", "groups"), [(15, 3, 1), (16, 3, 1), (15, 5, 4), (16, 5, 4)]
)
def test_same_convolution_equals_explicit_padding(size: int, kernel: int, groups: int) -> None:
    conv = SamePadConv2d(4, 8, kernel, stride=2, groups=groups)
    x = torch.randn(2, 4, size, size)
    before, after = same_padding(size, kernel, 2)
    padded = F.pad(x, (before, after, before, after))
    expected = F.conv2d(padded, conv.weight, conv.bias, stride=2, groups=groups)
    assert conv(x).shape[-1] == math.ceil(size / 2)
    torch.testing.assert_close(conv(x), expected)


def test_same_and_symmetric_convolutions_differ_on_even_sizes_only() -> None:
    same = conv2d(3, 4, 3, stride=2, padding="same")
    symmetric = conv2d(3, 4, 3, stride=2)
    symmetric.load_state_dict(same.state_dict())
    odd, even = torch.randn(1, 3, 15, 15), torch.randn(1, 3, 16, 16)
    torch.testing.assert_close(same(odd), symmetric(odd))
    assert same(even).shape == symmetric(even).shape
    assert not torch.allclose(same(even), symmetric(even))


def test_same_convolution_takes_oblong_images() -> None:
    assert SamePadConv2d(1, 1, 3, stride=2)(torch.randn(1, 1, 15, 20)).shape == (1, 1, 8, 10)


@pytest.mark.parametrize(("height", "width"), [(74, 74), (147, 147), (20, 15)])
def test_same_max_pool_equals_explicit_padding(height: int, width: int) -> None:
    x = torch.randn(1, 2, height, width) - 10.0  # all negative: padding must not count as zero
    rows, columns = same_padding(height, 3, 2), same_padding(width, 3, 2)
    padded = F.pad(x, (*columns, *rows), value=-math.inf)
    assert torch.equal(SamePadMaxPool2d()(x), F.max_pool2d(padded, 3, 2))


@pytest.mark.parametrize("channels", [3, 64, 192])
def test_local_response_norm_equals_pytorchs(channels: int) -> None:
    x = torch.randn(2, channels, 7, 7) * 50
    expected = F.local_response_norm(x, 5, alpha=1e-4, beta=0.75, k=1.0)
    torch.testing.assert_close(LocalResponseNorm(channels)(x), expected, rtol=1e-5, atol=1e-5)


def test_local_response_norm_is_in_no_state_dict() -> None:
    assert LocalResponseNorm(8).state_dict() == {}


@pytest.mark.parametrize(
    ("channels", "rounded"),
    [(35.2, 32), (38.4, 40), (19.2, 24), (1.0, 8), (112.0, 112)],
)
def test_channels_round_to_eight_losing_at_most_a_tenth(channels: float, rounded: int) -> None:
    assert round_channels(channels) == rounded


def test_relu6_is_cut_at_six() -> None:
    x = torch.tensor([-1.0, 5.0, 7.0])
    assert activation_layer("relu6")(x).tolist() == [0.0, 5.0, 6.0]
    assert activation_layer("relu")(x).tolist() == [0.0, 5.0, 7.0]


def test_initialisation_counts_the_fan_out_of_one_group() -> None:
    torch.manual_seed(0)
    depthwise = nn.Conv2d(512, 512, 3, groups=512)
    init_fan_out(depthwise)
    assert depthwise.weight.std().item() == pytest.approx(math.sqrt(2 / 9), rel=0.05)
    assert depthwise.bias is not None
    assert not depthwise.bias.any()
