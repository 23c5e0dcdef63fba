"""Pairs of products saturate at 16 bits, and only where a host without VNNI lets them."""

import itertools

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from export_tools.compress import Plan, compress_graph
from export_tools.graph_clean import clean_graph
from export_tools.saturation import WithoutVnni, largest_pair, pair_loss
from export_tools.schemes import Scheme
from service.engine.session import OrtSession, SessionOptions
from tests.export_tools.conftest import random_planes


def plain_loss(data: np.ndarray, kernel: np.ndarray, zero: int, stride: int) -> np.ndarray:
    """Do what the instruction does, a pair at a time: [row, column, channel], padded by one."""
    padded = np.pad(data, ((0, 0), (1, 1), (1, 1)), constant_values=zero)
    size = (padded.shape[1] - 3) // stride + 1
    loss = np.zeros((kernel.shape[0], size, size))
    for out, y, x in itertools.product(range(kernel.shape[0]), range(size), range(size)):
        window = padded[:, y * stride : y * stride + 3, x * stride : x * stride + 3]
        products = (window * kernel[out]).transpose(1, 2, 0).ravel()
        if len(products) % 2:
            products = np.append(products, 0)
        sums = products[0::2] + products[1::2]
        loss[out, y, x] = (sums - sums.clip(-32768, 32767)).sum()
    return loss


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_convolution_loses_what_each_pair_loses(channels: int, stride: int) -> None:
    random = np.random.default_rng(4)
    data = random.integers(0, 256, (channels, 7, 7))
    kernel = random.integers(-128, 128, (5, channels, 3, 3))
    wanted = plain_loss(data, kernel, 9, stride)
    assert (wanted > 0).any()
    assert (wanted < 0).any()
    attributes: dict[str, object] = {"pads": [1, 1, 1, 1], "strides": [stride, stride]}
    found = pair_loss(
        torch.from_numpy(data[None]).float(), torch.from_numpy(kernel).float(), 9.0, attributes
    )
    np.testing.assert_array_equal(found[0].numpy(), wanted)


def test_neighbours_by_hand() -> None:
    data = torch.tensor([255.0, 255.0, 255.0, 255.0]).reshape(1, 4, 1, 1)
    both = torch.tensor([[127.0, 127.0, -128.0, -128.0], [127.0, 1.0, 127.0, 1.0]])
    loss = pair_loss(data, both.reshape(2, 4, 1, 1), 0.0, {})
    assert loss.flatten().tolist() == [64770 - 32767 + (-65280 + 32768), 0.0]


def test_groups_pair_their_own_channels() -> None:
    data = torch.tensor([0.0, 255.0, 255.0, 0.0]).reshape(1, 4, 1, 1)
    kernel = torch.full((2, 2, 1, 1), 127.0)
    assert not pair_loss(data, kernel, 0.0, {"group": 2}).any()
    assert not pair_loss(data, torch.full((1, 4, 1, 1), 127.0), 0.0, {}).any()
    middle = data[:, [0, 2, 1, 3]].roll(1, 1)  # both in one pair
    assert pair_loss(middle[:, [1, 2, 3, 0]], torch.full((1, 4, 1, 1), 127.0), 0.0, {}).sum() >= 0


def test_the_largest_pair_bounds_every_sum() -> None:
    rows = np.array([[127, 1, 0, 0], [100, 100, 0, 0], [-128, -128, 0, 1], [90, -90, 90, -90]])
    assert largest_pair(rows.astype(np.int8)).tolist() == [128, 200, 256, 90]


def test_emulation_is_the_runtime_where_nothing_saturates(tiny_graph: bytes) -> None:
    planes = random_planes(16)
    graph, _ = compress_graph(tiny_graph, list(planes), Plan(Scheme(pair_safe=True)), {})
    emulated = WithoutVnni(graph)
    wanted = OrtSession(graph, SessionOptions()).run(planes)
    np.testing.assert_allclose(emulated.run(planes), wanted, atol=0.02)
    assert emulated.saturated == {}


def test_emulation_answers_otherwise_where_pairs_saturate(tiny_graph: bytes) -> None:
    planes = random_planes(16)
    graph, _ = compress_graph(tiny_graph, list(planes), Plan(), {})
    model = onnx.load_model_from_string(graph)
    for tensor in model.graph.initializer:
        if tensor.name.endswith("weight_quantized") and "right" in tensor.name:
            whole = numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array(np.full_like(whole, 127), tensor.name))
    emulated = WithoutVnni(clean_graph(model))
    emulated.run(planes)
    right = next(
        n.name
        for n in model.graph.node
        if any("right" in i for i in n.input[1:2]) and n.op_type == "Conv"
    )
    assert emulated.saturated[right] > 100
