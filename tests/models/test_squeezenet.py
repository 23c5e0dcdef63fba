from typing import Any

import pytest
import torch
from torch import nn

import models
from tests.models.support import convolutions, map_sides


def build(name: str, **arguments: Any) -> nn.Module:
    with torch.device("meta"):
        return models.create_model(name, **arguments)


@pytest.mark.parametrize(
    ("name", "fires", "stem"),
    [
        ("squeezenet1_0", (3, 4, 5, 7, 8, 9, 10, 12), (96, 3, 7, 7)),
        ("squeezenet1_1", (3, 4, 6, 7, 9, 10, 11, 12), (64, 3, 3, 3)),
    ],
)
def test_state_dict_has_torchvisions_layout(
    name: str, fires: tuple[int, ...], stem: tuple[int, ...]
) -> None:
    state = build(name).state_dict()
    layers = ["features.0", "classifier.1"]
    for index in fires:
        layers += [f"features.{index}.{part}" for part in ("squeeze", "expand1x1", "expand3x3")]
    assert set(state) == {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}
    assert len(state) == 52
    assert state["features.0.weight"].shape == stem
    assert state["features.12.squeeze.weight"].shape == (64, 512, 1, 1)
    assert state["classifier.1.weight"].shape == (1000, 512, 1, 1)


@pytest.mark.parametrize(
    ("name", "stem", "pools"),
    [("squeezenet1_0", 109, [54, 27, 13]), ("squeezenet1_1", 111, [55, 27, 13])],
)
def test_maps_have_caffes_sizes(name: str, stem: int, pools: list[int]) -> None:
    model = build(name)
    assert map_sides(model, (nn.Conv2d,), 224)[0] == stem
    assert map_sides(build(name), (nn.MaxPool2d,), 224) == pools


@pytest.mark.parametrize("name", ["squeezenet1_0", "squeezenet1_1"])
def test_pools_round_up_and_the_stem_is_unpadded(name: str) -> None:
    model = build(name)
    pools = [part for part in model.modules() if isinstance(part, nn.MaxPool2d)]
    assert [pool.ceil_mode for pool in pools] == [True] * 3
    assert convolutions(model)[0].padding == (0, 0)


@pytest.mark.parametrize(("name", "minimum"), [("squeezenet1_0", 21), ("squeezenet1_1", 17)])
def test_papers_stem_needs_a_larger_input(name: str, minimum: int) -> None:
    model = models.create_model(name, num_classes=2).eval()
    assert model(torch.zeros(1, 3, minimum, minimum)).shape == (1, 2)
    with pytest.raises(RuntimeError, match="too small"):
        model(torch.zeros(1, 3, minimum - 1, minimum - 1))


def test_macs_at_caffes_crop() -> None:
    assert models.count_macs(build("squeezenet1_0"), 227) == 832_667_936
    assert models.count_macs(build("squeezenet1_1"), 227) == 387_747_520
    caffe = build("squeezenet1_0", conv10_padding=1)
    # Twice this is the 1.72 GFLOPS that the authors' repository states.
    assert models.count_macs(caffe, 227) == 832_667_936 + 28_672_000


def test_caffes_last_convolution_adds_a_border_of_its_bias() -> None:
    torch.manual_seed(0)
    plain = models.create_model("squeezenet1_0", num_classes=4).eval()
    caffe = models.create_model("squeezenet1_0", num_classes=4, conv10_padding=1).eval()
    for key, value in plain.state_dict().items():
        value.copy_(torch.rand_like(value) * 0.1 if "classifier" in key else value)
    caffe.load_state_dict(plain.state_dict())
    images = torch.randn(1, 3, 63, 63)
    with torch.inference_mode():
        inside, padded = plain(images), caffe(images)
        bias = plain.state_dict()["classifier.1.bias"]
    # A 3 x 3 map becomes 5 x 5: 9 values as before and 16 of the (positive) bias alone.
    torch.testing.assert_close(padded, (9 * inside + 16 * bias) / 25)


def test_initialisation_is_the_papers() -> None:
    torch.manual_seed(0)
    state = models.create_model("squeezenet1_1").state_dict()
    assert all(not value.any() for key, value in state.items() if key.endswith("bias"))
    assert state["classifier.1.weight"].std().item() == pytest.approx(0.01, rel=0.02)
