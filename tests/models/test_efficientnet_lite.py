from typing import Any

import pytest
import torch
from torch import nn

import models
from models.efficientnet_lite import BASE, SIZES, InvertedResidual, SeparableBlock, scaled_stages
from models.layers import SamePadConv2d
from tests.models.support import batch_norms, convolutions, difference, randomise_statistics

SMALL_WIDTHS = (16, 24, 40, 80, 112, 192, 320)
# Per size: blocks of each stage, channels of each stage, conv and batch norm units, tensors.
LAYOUT = {
    0: ((1, 2, 2, 3, 3, 4, 1), SMALL_WIDTHS, 49, 296),
    1: ((1, 3, 3, 4, 4, 5, 1), SMALL_WIDTHS, 64, 386),
    2: ((1, 3, 3, 4, 4, 5, 1), (16, 24, 48, 88, 120, 208, 352), 64, 386),
    3: ((1, 3, 3, 5, 5, 6, 1), (24, 32, 48, 96, 136, 232, 384), 73, 440),
    4: ((1, 4, 4, 6, 6, 8, 1), (24, 32, 56, 112, 160, 272, 448), 91, 548),
}


def build(number: int = 0, **arguments: Any) -> nn.Module:
    with torch.device("meta"):
        return models.create_model(f"efficientnet_lite{number}", **arguments)


@pytest.mark.parametrize("number", LAYOUT)
def test_scaling_gives_the_published_stages(number: int) -> None:
    repeats, channels, units, tensors = LAYOUT[number]
    stages = scaled_stages(SIZES[number].width, SIZES[number].depth)
    assert tuple(stage.repeats for stage in stages) == repeats
    assert tuple(stage.channels for stage in stages) == channels
    model = build(number)
    assert len(convolutions(model)) == len(batch_norms(model)) == units
    assert len(model.state_dict()) == tensors


@pytest.mark.parametrize("number", LAYOUT)
def test_stem_and_head_are_not_scaled(number: int) -> None:
    first, *_, last = convolutions(build(number))
    assert (first.out_channels, last.out_channels) == (32, 1280)


@pytest.mark.parametrize(
    ("number", "size", "macs"),
    [(3, 300, 1_607_554_544), (4, 224, 1_347_665_152), (4, 380, 3_943_564_112)],
)
def test_macs_at_the_resolutions_that_others_use(number: int, size: int, macs: int) -> None:
    assert models.count_macs(build(number), size) == macs
    assert models.count_macs(build(number, padding="same"), size) == macs


@pytest.mark.parametrize(("number", "rate"), [(0, 0.2), (1, 0.2), (2, 0.3), (3, 0.3), (4, 0.3)])
def test_dropout_is_the_sizes_own(number: int, rate: float) -> None:
    assert [part.p for part in build(number).modules() if isinstance(part, nn.Dropout)] == [rate]


def test_accuracy_is_stated_with_its_resolution() -> None:
    """Google and timm evaluate the sizes 3 and 4 at different resolutions."""
    for number, native, timms in ((3, 280, 300), (4, 300, 380)):
        spec = models.get_spec(f"efficientnet_lite{number}")
        assert spec.input_size == native
        assert [result.input_size for result in spec.published] == [native, timms]


def test_state_dict_has_timms_layout() -> None:
    state = build().state_dict()
    tops = {key.split(".")[0] for key in state}
    assert tops == {"conv_stem", "bn1", "blocks", "conv_head", "bn2", "classifier"}
    first = {key.split(".")[3] for key in state if key.startswith("blocks.0.0.")}
    assert first == {"conv_dw", "bn1", "conv_pw", "bn2"}
    second = {key.split(".")[3] for key in state if key.startswith("blocks.1.0.")}
    assert second == {"conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3"}
    assert state["blocks.2.0.conv_dw.weight"].shape == (144, 1, 5, 5)
    assert state["blocks.6.0.conv_pwl.weight"].shape == (320, 1152, 1, 1)
    assert state["classifier.weight"].shape == (1000, 1280)


def test_shortcuts_stand_where_shapes_agree() -> None:
    model = build()
    shortcuts = [
        part.shortcut
        for part in model.modules()
        if isinstance(part, SeparableBlock | InvertedResidual)
    ]
    expected = []
    for stage in BASE:
        expected += [False] + [True] * (stage.repeats - 1)
    assert shortcuts == expected


def test_same_padding_concerns_the_five_strided_layers_only() -> None:
    padded = [part for part in build(padding="same").modules() if isinstance(part, SamePadConv2d)]
    assert len(padded) == 5


def test_same_padding_changes_the_answer_on_even_sizes() -> None:
    symmetric = models.create_model("efficientnet_lite0", num_classes=10)
    same = models.create_model("efficientnet_lite0", num_classes=10, padding="same")
    randomise_statistics(symmetric)
    same.load_state_dict(symmetric.state_dict())
    assert difference(symmetric, same, torch.randn(1, 3, 64, 64)) > 1e-3
    # 65, 33, 17, 9, 5 and 3 are all odd: both paddings are equal on both sides.
    assert difference(symmetric, same, torch.randn(1, 3, 65, 65)) < 1e-5


@pytest.mark.parametrize("eps", [1e-5, 1e-3])
def test_bn_eps_reaches_every_batch_norm(eps: float) -> None:
    assert {norm.eps for norm in batch_norms(build(bn_eps=eps))} == {eps}
