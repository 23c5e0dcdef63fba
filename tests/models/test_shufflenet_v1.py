from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

import models
from models.shufflenet_v1 import (
    ShuffleUnit,
    bottleneck_channels,
    channel_shuffle,
    stage_widths,
    stem_channels,
)
from tests.models.support import convolutions, randomise_statistics


def build(**arguments: Any) -> nn.Module:
    with torch.device("meta"):
        return models.create_model("shufflenet_v1", **arguments)


def order_after(groups: int) -> list[int]:
    channels = torch.arange(6.0).reshape(1, 6, 1, 1)
    return [int(value) for value in channel_shuffle(channels, groups).flatten()]


def unit(order: str | None, stride: int) -> ShuffleUnit:
    torch.manual_seed(0)
    model = ShuffleUnit(24, 48, 3, stride, first_groups=3, shuffle_order=order)
    if stride == 1:
        model = ShuffleUnit(48, 48, 3, stride, first_groups=3, shuffle_order=order)
    randomise_statistics(model)
    return model.eval()


def test_shuffle_interleaves_the_groups() -> None:
    assert order_after(2) == [0, 3, 1, 4, 2, 5]
    assert order_after(3) == [0, 2, 4, 1, 3, 5]


def test_shuffles_of_g_and_of_channels_by_g_are_inverse() -> None:
    x = torch.randn(2, 12, 2, 2)
    assert torch.equal(channel_shuffle(channel_shuffle(x, 3), 4), x)


@pytest.mark.parametrize("stride", [1, 2])
def test_paper_order_shuffles_before_the_depthwise_convolution(stride: int) -> None:
    model = unit("paper", stride)
    x = torch.rand(2, 24 * (3 - stride), 8, 8)
    y = F.relu(model.compress_bn1(model.compress_conv1(x)))
    y = y.view(2, 3, 4, 8, 8).transpose(1, 2).reshape(2, 12, 8, 8)
    y = model.expand_bn3(model.expand_conv3(model.dw_bn2(model.dw_conv2(y))))
    torch.testing.assert_close(model(x), joined(x, y, stride, shortcut_first=False))


@pytest.mark.parametrize("stride", [1, 2])
def test_megvii_order_shuffles_after_it_by_the_inverse_permutation(stride: int) -> None:
    model = unit("megvii", stride)
    x = torch.rand(2, 24 * (3 - stride), 8, 8)
    y = F.relu(model.compress_bn1(model.compress_conv1(x)))
    y = model.dw_bn2(model.dw_conv2(y))
    side = y.shape[-1]
    y = y.reshape(2, 4, 3, side, side).permute(0, 2, 1, 3, 4).reshape(2, 12, side, side)
    y = model.expand_bn3(model.expand_conv3(y))
    torch.testing.assert_close(model(x), joined(x, y, stride, shortcut_first=True))


def joined(x: Tensor, y: Tensor, stride: int, *, shortcut_first: bool) -> Tensor:
    if stride == 1:
        return F.relu(x + y)
    shortcut = F.avg_pool2d(x, 3, 2, 1)
    # Megvii applies ReLU to the branch alone: the pooled shortcut is never negative.
    parts = [shortcut, F.relu(y)] if shortcut_first else [F.relu(y), shortcut]
    return torch.cat(parts, dim=1)


def test_orders_are_incompatible_and_the_shuffle_can_be_left_out() -> None:
    x = torch.rand(1, 48, 8, 8)
    with torch.inference_mode():
        answers = [unit(order, 1)(x) for order in ("paper", "megvii", None)]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert not torch.allclose(answers[first], answers[second], atol=1e-3)


def test_shuffle_false_wins_over_the_order() -> None:
    for order in ("paper", "megvii"):
        model = build(shuffle=False, shuffle_order=order)
        orders = {part.shuffle_order for part in model.modules() if isinstance(part, ShuffleUnit)}
        assert orders == {None}


@pytest.mark.parametrize(
    ("scale", "groups", "channels"),
    [
        *((scale, groups, 12) for scale in (0.25, 0.5) for groups in (1, 2, 3, 4)),
        *((scale, 8, 16) for scale in (0.25, 0.5)),
        *((scale, groups, 24) for scale in (1.0, 1.5) for groups in (1, 2, 3, 4, 8)),
        *((2.0, groups, 48) for groups in (1, 2, 3, 4, 8)),
    ],
)
def test_stem_follows_the_documented_rule(scale: float, groups: int, channels: int) -> None:
    assert stem_channels(groups, scale) == channels
    assert convolutions(build(scale=scale, groups=groups))[0].out_channels == channels


@pytest.mark.parametrize(
    ("out_channels", "groups", "middle"),
    [(100, 2, 26), (136, 4, 36), (68, 4, 20), (240, 3, 60), (384, 8, 96)],
)
def test_bottleneck_rounds_up_to_a_multiple_of_the_groups(
    out_channels: int, groups: int, middle: int
) -> None:
    assert bottleneck_channels(out_channels, groups) == middle


@pytest.mark.parametrize(
    ("scale", "groups", "stem", "reason"),
    [
        (0.5, 8, 12, "stage 2 widens 12 to 192 channels, which 8 groups cannot do"),
        (0.25, 8, 6, "stage 2 widens 6 to 96 channels, which 8 groups cannot do"),
        (0.25, 8, 12, "stage 2 widens 12 to 96 channels, which 8 groups cannot do"),
        (0.3, 8, None, "stage 2 widens 16 to 115 channels, which 8 groups cannot do"),
        (1.0, 3, 0, "stage 2 widens 0 to 240 channels"),
        (0.05, 3, None, "stage 2 widens 12 to 12 channels"),
    ],
)
def test_indivisible_variants_are_refused_with_the_reason(
    scale: float, groups: int, stem: int | None, reason: str
) -> None:
    with pytest.raises(models.InvalidOptionError, match=reason):
        build(scale=scale, groups=groups, stem=stem)


def test_widths_are_the_papers() -> None:
    assert stage_widths(3, 1.0) == (240, 480, 960)
    assert stage_widths(8, 0.5) == (192, 384, 768)


def test_first_pointwise_convolution_of_stage_2_is_not_grouped() -> None:
    model = build(groups=8)
    units = [part for part in model.modules() if isinstance(part, ShuffleUnit)]
    assert [part.compress_conv1.groups for part in units] == [1] + [8] * 15
    assert {part.expand_conv3.groups for part in units} == {8}
    assert [part.stride for part in units] == [2, 1, 1, 1] + [2] + [1] * 7 + [2, 1, 1, 1]


def test_state_dict_has_pytorchcvs_layout() -> None:
    state = build().state_dict()
    parts = {key.rsplit(".", 1)[0] for key in state}
    units = [(1, 4), (2, 8), (3, 4)]
    expected = {"features.init_block.conv", "features.init_block.bn", "output"} | {
        f"features.stage{stage}.unit{unit + 1}.{layer}"
        for stage, repeats in units
        for unit in range(repeats)
        for layer in (
            *("compress_conv1", "compress_bn1", "dw_conv2"),
            *("dw_bn2", "expand_conv3", "expand_bn3"),
        )
    }
    assert parts == expected
    assert len(convolutions(build())) == 49
    assert state["features.stage1.unit1.compress_conv1.weight"].shape == (60, 24, 1, 1)
    assert state["features.stage1.unit1.expand_conv3.weight"].shape == (216, 20, 1, 1)
    assert state["features.stage1.unit2.compress_conv1.weight"].shape == (60, 80, 1, 1)
    assert state["output.weight"].shape == (1000, 960)


def test_published_accuracy_depends_on_the_shuffle() -> None:
    with_it = models.get_spec("shufflenet_v1").published
    without = models.get_spec("shufflenet_v1", shuffle=False).published
    assert [(result.source, result.top1) for result in with_it] == [
        ("paper", 0.674),
        ("pytorchcv", 0.6561),
        ("Megvii", 0.678),
    ]
    assert [(result.source, result.top1) for result in without] == [("paper, ablation", 0.655)]
