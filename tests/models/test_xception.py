from typing import Any

import torch
from torch import Tensor, nn

import models
from models.layers import same_padding
from models.xception import Block, SeparableConv2d
from tests.models.support import batch_norms, convolutions, map_sides, randomise_statistics


def build(**arguments: Any) -> nn.Module:
    with torch.device("meta"):
        return models.create_model("xception", **arguments)


def test_there_are_36_convolution_layers() -> None:
    model = build()
    separable = [part for part in model.modules() if isinstance(part, SeparableConv2d)]
    assert len(separable) + len(("conv1", "conv2")) == 36
    # 4 more are the 1x1 shortcuts, which the paper does not count.
    assert len(convolutions(model)) == 2 + 2 * 34 + 4
    assert len(batch_norms(model)) == 40


def test_nothing_stands_between_depthwise_and_pointwise() -> None:
    layer = SeparableConv2d(4, 8)
    assert [type(part) for part in layer.children()] == [nn.Conv2d, nn.Conv2d]
    assert all(part.bias is None for part in convolutions(layer))


def test_maps_have_the_papers_sizes() -> None:
    stem = map_sides(build(), (nn.Conv2d,), 299)[:2]
    blocks = map_sides(build(), (Block,), 299)
    assert stem == [149, 147]
    assert blocks == [74, 37, 19] + [19] * 8 + [10]


def test_only_the_pool_from_74_to_37_pads_otherwise_in_tensorflow() -> None:
    inputs = [147, 74, 37, 19]
    assert [same_padding(size, 3, 2) for size in inputs] == [(1, 1), (0, 1), (1, 1), (1, 1)]


def test_same_padding_shifts_block2_alone() -> None:
    """On 75 px the pools see 35, 18, 9 and 5 pixels: block 2 alone has an even size, as at 299."""
    torch.manual_seed(0)
    symmetric = models.create_model("xception", num_classes=2).eval()
    same = models.create_model("xception", num_classes=2, padding="same").eval()
    randomise_statistics(symmetric)
    same.load_state_dict(symmetric.state_dict())
    x = torch.randn(1, 3, 75, 75)
    with torch.inference_mode():
        for part in ("conv1", "bn1", "conv2", "bn2", "block1", "block2", "block3", "block12"):
            first: Tensor = symmetric.get_submodule(part)(x)
            second: Tensor = same.get_submodule(part)(x)
            assert first.shape == second.shape
            assert torch.equal(first, second) == (part != "block2")
            x = first


def test_first_block_has_no_leading_relu() -> None:
    model = build()
    leading = {}
    for name, block in model.named_children():
        if isinstance(block, Block):
            leading[name] = isinstance(next(block.rep.children()), nn.ReLU)
    assert leading == {f"block{number}": number > 1 for number in range(1, 13)}


def test_state_dict_has_timms_layout() -> None:
    state = build().state_dict()
    assert len([key for key in state if not key.endswith("num_batches_tracked")]) == 236
    assert state["block1.rep.0.conv1.weight"].shape == (64, 1, 3, 3)
    assert state["block1.rep.0.pointwise.weight"].shape == (128, 64, 1, 1)
    assert state["block2.rep.1.pointwise.weight"].shape == (256, 128, 1, 1)
    assert state["block4.rep.7.conv1.weight"].shape == (728, 1, 3, 3)
    assert state["block12.rep.4.pointwise.weight"].shape == (1024, 728, 1, 1)
    assert state["block12.skip.weight"].shape == (1024, 728, 1, 1)
    assert state["block12.skipbn.running_var"].shape == (1024,)
    assert state["conv4.pointwise.weight"].shape == (2048, 1536, 1, 1)
    assert state["fc.weight"].shape == (1000, 2048)


def test_bn_eps_reaches_every_batch_norm() -> None:
    assert {norm.eps for norm in batch_norms(build(bn_eps=1e-3))} == {1e-3}
    assert {norm.eps for norm in batch_norms(build())} == {1e-5}


def test_default_dropout_is_the_papers() -> None:
    assert [part.p for part in build().modules() if isinstance(part, nn.Dropout)] == [0.5]
