from typing import Any

import pytest
import torch
from torch import nn

import models
from models.lite_inception import LiteInceptionModule
from tests.models.support import batch_norms, convolutions, map_sides


def build(**arguments: Any) -> nn.Module:
    with torch.device("meta"):
        return models.create_model("lite_inception", **arguments)


def blocks(model: nn.Module) -> list[LiteInceptionModule]:
    return [part for part in model.modules() if isinstance(part, LiteInceptionModule)]


def test_macs_are_at_most_a_third_of_googlenets() -> None:
    ours, googlenet = models.get_spec("lite_inception"), models.get_spec("googlenet")
    assert ours.macs is not None
    assert googlenet.macs is not None
    assert 3 * ours.macs <= googlenet.macs


def test_wide_kernels_are_depthwise_after_a_reduction() -> None:
    for block in blocks(build()):
        for branch, kernel in ((block.branch3, 3), (block.branch5, 5)):
            reduce, depthwise, pointwise = convolutions(branch)
            assert reduce.kernel_size == pointwise.kernel_size == (1, 1)
            assert reduce.out_channels < reduce.in_channels
            assert depthwise.kernel_size == (kernel, kernel)
            assert depthwise.groups == depthwise.in_channels


def test_fourth_branch_is_an_average_pool() -> None:
    for block in blocks(build()):
        pool, unit = block.branch_pool
        assert isinstance(pool, nn.AvgPool2d)
        assert convolutions(unit)[0].kernel_size == (1, 1)


def test_maps_have_the_documented_sizes() -> None:
    assert map_sides(build(), (LiteInceptionModule,), 224) == [28] * 2 + [14] * 5 + [7] * 2


@pytest.mark.parametrize(
    ("depth", "modules"), [(0.2, [1, 1, 1]), (0.5, [1, 3, 1]), (1.0, [2, 5, 2]), (1.5, [3, 8, 3])]
)
def test_depth_multiplies_the_modules_rounded_up(depth: float, modules: list[int]) -> None:
    stages = build(depth=depth).get_submodule("stages").children()
    assert [len(blocks(stage)) for stage in stages] == modules


@pytest.mark.parametrize("width", [0.1, 0.25, 0.6, 1.3])
def test_width_keeps_channels_a_multiple_of_eight(width: float) -> None:
    outputs = [conv.out_channels for conv in convolutions(build(width=width))]
    assert all(channels % 8 == 0 for channels in outputs)


def test_bn_eps_reaches_every_batch_norm() -> None:
    assert {norm.eps for norm in batch_norms(build(bn_eps=1e-3))} == {1e-3}
