"""What layers read: values, patches and how they vary."""

import numpy as np
import onnx
import pytest
import torch
from onnx import helper

from export_tools.layer_inputs import input_moments, moments_of, patches, run_for
from tests.export_tools.conftest import random_planes

PLANES = list(random_planes(10))


def test_values_come_image_by_image(tiny_graph: bytes) -> None:
    model = onnx.load_model_from_string(tiny_graph)
    stem = next(node for node in model.graph.node if node.op_type == "Conv")
    names = [stem.input[0], stem.output[0], stem.input[0]]
    found = list(run_for(model, PLANES, names))
    assert [set(values) for values in found] == [{stem.input[0], stem.output[0]}] * len(PLANES)
    for image, values in zip(PLANES, found, strict=True):
        expected = (image.astype(np.float32)[None] - 127) / 128
        np.testing.assert_allclose(values[stem.input[0]], expected, atol=1e-6)
    assert len(model.graph.output) == 1


def test_moments_are_means_over_images_and_places(tiny_graph: bytes) -> None:
    model = onnx.load_model_from_string(tiny_graph)
    found = input_moments(model, PLANES)
    layers = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm")]
    assert list(found) == [node.name for node in layers]
    (head,) = [node for node in layers if node.op_type == "Gemm"]
    given = np.concatenate([v[head.input[0]] for v in run_for(model, PLANES, [head.input[0]])])
    np.testing.assert_allclose(found[head.name][0], given.T @ given / len(PLANES), rtol=1e-4)
    stem = found[layers[0].name]
    assert stem.shape == (1, 27, 27)
    np.testing.assert_allclose(stem[0], stem[0].T)


def test_groups_have_moments_of_their_own() -> None:
    given = torch.arange(24.0).reshape(1, 4, 6)
    found = moments_of(given, 2)
    assert found.shape == (2, 2, 2)
    first = given[0, :2]
    assert torch.equal(found[0], first @ first.T / 6)


@pytest.mark.parametrize(("most", "side"), [(None, 15), (28, 15), (8, 8), (7, 8), (4, 4)])
def test_large_maps_are_looked_at_in_evenly_spread_places(most: int | None, side: int) -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"], strides=[2, 2])
    data = torch.arange(32.0 * 32).reshape(1, 1, 32, 32)
    found = patches(node, data, (5, 1, 3, 3), most)
    assert found.shape == (1, 9, side * side)
    assert found[0, 0, 0] == 0
    assert {float(value) for value in found[0, 0] % 2} == {0.0}
