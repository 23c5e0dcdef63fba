"""Factors move between layers, and the float answers stay what they were."""

from functools import cache

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from export_tools.channel_ties import tie_channels
from export_tools.equalise import channel_ranges, equalise
from export_tools.onnx_export import export_onnx
from export_tools.quantize import quantize_graph
from export_tools.serving_net import ServingNet
from service.engine.session import OrtSession, SessionOptions
from tests.export_tools.conftest import CENTRED, TINY_INPUT, TINY_LABELS, random_planes

PLANES = random_planes(16)


class Tied(nn.Module):
    """A residual sum, a depthwise layer, pools and a concatenation between uneven channels."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.activation = activation
        self.stem = nn.Conv2d(3, 8, 3, stride=2)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.point = nn.Conv2d(8, 8, 1)
        self.left = nn.Conv2d(8, 4, 3, groups=2)
        self.right = nn.Conv2d(8, 4, 3)
        self.head = nn.Linear(8, len(TINY_LABELS))

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.max_pool2d(self.activation(self.stem(x)), 2)
        x = x + self.point(self.activation(self.depthwise(x)))
        x = torch.cat((self.activation(self.left(x)), self.activation(self.right(x))), dim=1)
        logits: Tensor = self.head(nn.functional.avg_pool2d(x, 2).mean((2, 3)))
        return logits


@cache
def uneven_bytes(*, clipped: bool) -> bytes:
    torch.manual_seed(3)
    net = Tied(nn.ReLU6() if clipped else nn.ReLU())
    small = torch.logspace(-1.1, 0, 8)
    with torch.no_grad():
        for layer in (net.stem, net.depthwise, net.left, net.right):
            assert layer.bias is not None
            layer.bias.fill_(0.2)  # so that no channel is silent
        # Small channels, and weights that bring them back to size, so that their rounding is seen.
        for layer, factors in (
            (net.depthwise, small),
            (net.left, small[:4]),
            (net.right, small[4:]),
        ):
            layer.weight.mul_(factors.reshape(-1, 1, 1, 1))
            assert layer.bias is not None
            layer.bias.mul_(factors)
        net.point.weight.div_(small.reshape(1, -1, 1, 1))
        net.head.weight.div_(small).mul_(6)
    return export_onnx(ServingNet(net, CENTRED).eval(), TINY_INPUT, len(TINY_LABELS))


def uneven_graph(*, clipped: bool = False) -> onnx.ModelProto:
    return onnx.load_model_from_string(uneven_bytes(clipped=clipped))


def answers(model: onnx.ModelProto) -> NDArray[np.float32]:
    return OrtSession(model.SerializeToString(), SessionOptions()).run(PLANES)


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_float_answers_stay_what_they_were(strength: float) -> None:
    model = uneven_graph()
    before = answers(model)
    assert equalise(model, list(PLANES), strength) > 8
    assert float(np.abs(answers(model) - before).max()) < 1e-5


def test_channels_become_alike() -> None:
    model = uneven_graph()
    (value,) = (n.input[0] for n in model.graph.node if n.input[1:2] == ["net.point.weight"])
    (before,) = channel_ranges(model, list(PLANES), [value]).values()
    equalise(model, list(PLANES), 1.0)
    (after,) = channel_ranges(model, list(PLANES), [value]).values()
    assert before.max() / before.min() > 8
    assert after.max() / after.min() < 1.01


def test_rounding_costs_less_afterwards() -> None:
    plain, equal = uneven_graph(), uneven_graph()
    wanted = answers(plain)
    equalise(equal, list(PLANES))
    lost = [
        float(np.abs(answers(quantize_graph(model, list(PLANES))) - wanted).mean())
        for model in (plain, equal)
    ]
    assert lost[1] < 0.5 * lost[0]


def test_a_clip_keeps_its_channels_as_they_are() -> None:
    model = uneven_graph(clipped=True)
    before = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    wanted = answers(model)
    equalise(model, list(PLANES))
    assert float(np.abs(answers(model) - wanted).max()) < 1e-5
    after = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    # The depthwise layer lies between two clips; no channel of it may have moved.
    assert np.array_equal(before["net.depthwise.weight"], after["net.depthwise.weight"])


def test_the_image_and_the_answer_keep_their_scale() -> None:
    tied = tie_channels(uneven_graph())
    assert not tied.free[tied.groups["image"]].any()
    assert not tied.free[tied.groups["probabilities"]].any()
