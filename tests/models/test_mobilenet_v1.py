from typing import Any

import pytest
import torch
from torch import nn

import models
from models.layers import SamePadConv2d
from tests.models.support import batch_norms, convolutions, difference, randomise_statistics

# The width multiplier by the resolution multiplier.
CELLS = {
    1.0: {224: 568_740_352, 192: 418_121_728, 160: 290_675_200, 128: 186_400_768},
    0.75: {224: 325_400_448, 192: 239_273_472, 160: 166_396_800, 128: 106_770_432},
    0.5: {224: 149_497_088, 192: 109_970_432, 160: 76_524_800, 128: 49_160_192},
    0.25: {224: 41_030_272, 192: 30_212_608, 160: 21_059_200, 128: 13_570_048},
}


def build(**arguments: Any) -> nn.Module:
    with torch.device("meta"):
        return models.create_model("mobilenet_v1", **arguments)


@pytest.mark.parametrize("width", CELLS)
@pytest.mark.parametrize("padding", ["symmetric", "same"])
def test_macs_of_every_width_and_resolution(width: float, padding: str) -> None:
    model = build(width=width, padding=padding)
    assert {size: models.count_macs(model, size) for size in CELLS[width]} == CELLS[width]


def test_state_dict_has_timms_layout() -> None:
    state = build().state_dict()
    assert len(state) == 164
    assert state["conv_stem.weight"].shape == (32, 3, 3, 3)
    stages: dict[str, set[str]] = {}
    for key in state:
        if key.startswith("blocks."):
            _, stage, block, rest = key.split(".", 3)
            stages.setdefault(stage, set()).add(block)
            assert rest.split(".")[0] in ("conv_dw", "bn1", "conv_pw", "bn2")
    assert [len(blocks) for blocks in stages.values()] == [1, 2, 2, 6, 2]
    assert state["blocks.4.1.conv_dw.weight"].shape == (1024, 1, 3, 3)
    assert state["blocks.4.1.conv_pw.weight"].shape == (1024, 1024, 1, 1)
    assert state["classifier.weight"].shape == (1000, 1024)


def test_there_are_27_convolutions_and_a_classifier() -> None:
    model = build()
    assert len(convolutions(model)) == len(batch_norms(model)) == 27
    assert sum(isinstance(part, nn.Linear) for part in model.modules()) == 1


def test_any_other_width_truncates_as_keras_does() -> None:
    model = build(width=0.35)
    assert convolutions(model)[0].out_channels == 11  # 11.2
    assert convolutions(model)[-1].out_channels == 358  # 358.4


def test_width_that_leaves_no_channel_is_refused() -> None:
    with pytest.raises(models.InvalidOptionError, match=r"width 0\.03 leaves the stem no channel"):
        build(width=0.03)


def test_same_padding_concerns_the_five_strided_layers_only() -> None:
    padded = [part for part in build(padding="same").modules() if isinstance(part, SamePadConv2d)]
    assert len(padded) == 5
    assert not any(isinstance(part, SamePadConv2d) for part in build().modules())


def test_same_padding_changes_the_answer_on_even_sizes() -> None:
    symmetric = models.create_model("mobilenet_v1", width=0.25, num_classes=10)
    same = models.create_model("mobilenet_v1", width=0.25, num_classes=10, padding="same")
    randomise_statistics(symmetric)
    same.load_state_dict(symmetric.state_dict())
    assert difference(symmetric, same, torch.randn(1, 3, 64, 64)) > 1e-3
    # 65, 33, 17, 9, 5 and 3 are all odd: both paddings are one pixel on each side.
    assert difference(symmetric, same, torch.randn(1, 3, 65, 65)) < 1e-6


@pytest.mark.parametrize("eps", [1e-5, 1e-3])
def test_bn_eps_reaches_every_batch_norm(eps: float) -> None:
    assert {norm.eps for norm in batch_norms(build(bn_eps=eps))} == {eps}


@pytest.mark.parametrize(("name", "kind"), [("relu6", nn.ReLU6), ("relu", nn.ReLU)])
def test_activation_follows_every_convolution(name: str, kind: type[nn.Module]) -> None:
    found = [part for part in build(activation=name).modules() if type(part) is kind]
    assert len(found) == 27


def test_default_activation_is_relu6() -> None:
    assert models.get_spec("mobilenet_v1").variant["activation"] == "relu6"


def test_default_dropout_is_keras() -> None:
    assert [part.p for part in build().modules() if isinstance(part, nn.Dropout)] == [1e-3]
