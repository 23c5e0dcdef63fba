"""The image becomes the first quantised tensor where that is exact, and only there."""

import numpy as np
import onnx
import pytest
from onnx import ModelProto

from export_tools.fold_input import absorb_scale, feed_image, find_stem
from export_tools.graph_clean import clean_graph
from export_tools.onnx_export import export_onnx
from export_tools.quantize import quantize_graph
from export_tools.weights import Normalisation
from service.engine.session import OrtSession, SessionOptions
from tests.export_tools.conftest import (
    CENTRED,
    TINY_INPUT,
    TINY_LABELS,
    random_planes,
    tiny_serving_net,
)

UNEQUAL = Normalisation((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))


def exported(normalisation: Normalisation, padding: int) -> ModelProto:
    net = tiny_serving_net(normalisation, padding=padding)
    return onnx.load_model_from_string(export_onnx(net, TINY_INPUT, len(TINY_LABELS)))


def answers(model: ModelProto) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    copy = ModelProto()
    copy.CopyFrom(model)
    return OrtSession(clean_graph(copy), SessionOptions()).run(random_planes(32))


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("normalisation", [CENTRED, UNEQUAL], ids=["centred", "unequal"])
def test_absorbing_the_scale_changes_no_answer(normalisation: Normalisation, padding: int) -> None:
    model = exported(normalisation, padding)
    before = answers(model)
    mean = absorb_scale(model)
    assert mean is not None
    np.testing.assert_allclose(mean, normalisation.mean, rtol=1e-5)
    np.testing.assert_allclose(answers(model), before, atol=1e-5)
    assert "Mul" not in {node.op_type for node in model.graph.node}


@pytest.mark.parametrize(
    ("normalisation", "padding", "zero_point"),
    [
        pytest.param(CENTRED, 1, 127, id="one whole mean, padded: it is the zero point"),
        pytest.param(CENTRED, 0, 127, id="one whole mean, unpadded"),
        pytest.param(UNEQUAL, 0, 0, id="three means, unpadded: they go into the bias"),
    ],
)
def test_the_image_is_fed_without_a_change(
    normalisation: Normalisation, padding: int, zero_point: int
) -> None:
    model = exported(normalisation, padding)
    mean = absorb_scale(model)
    assert mean is not None
    model = quantize_graph(model, list(random_planes(32)))
    before = answers(model)
    assert feed_image(model, mean)
    after = answers(model)
    # What remains is what rounding the image to another scale cost before.
    np.testing.assert_allclose(after, before, atol=0.03)
    first = next(node for node in model.graph.node if "image" in node.input)
    assert first.op_type == "DequantizeLinear"
    assert not {"Cast", "Add"} & {node.op_type for node in model.graph.node}
    values = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    assert values[first.input[2]] == zero_point


def test_feeding_is_more_faithful_than_rounding_the_image() -> None:
    original = exported(UNEQUAL, 0)
    wanted = answers(original)
    mean = absorb_scale(original)
    assert mean is not None
    plain = quantize_graph(original, list(random_planes(32)))
    fed = ModelProto()
    fed.CopyFrom(plain)
    assert feed_image(fed, mean)
    assert np.abs(answers(fed) - wanted).mean() <= np.abs(answers(plain) - wanted).mean() * 1.05


def test_means_behind_padding_are_left_alone() -> None:
    model = exported(UNEQUAL, 1)
    mean = absorb_scale(model)
    assert mean is not None
    model = quantize_graph(model, list(random_planes(8)))
    before = model.SerializeToString(deterministic=True)
    assert not feed_image(model, mean)
    assert model.SerializeToString(deterministic=True) == before


def test_a_graph_that_begins_otherwise_is_left_alone() -> None:
    model = exported(CENTRED, 1)
    model.graph.node[1].op_type = "Sub"
    before = model.SerializeToString(deterministic=True)
    assert find_stem(model) is None
    assert absorb_scale(model) is None
    assert model.SerializeToString(deterministic=True) == before
