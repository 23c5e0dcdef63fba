"""Weights of an int8 graph make up for each other's rounding."""

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import ModelProto

from export_tools.layer_inputs import input_moments
from export_tools.pair_safe import make_pair_safe
from export_tools.quantize import quantize_graph
from export_tools.quantized_layers import QuantizedLayer, quantized_layers
from export_tools.round_weights import Compensated, NearestStep, compensations, round_weights
from export_tools.saturation import largest_pair
from export_tools.schemes import COMPARED, Scheme
from tests.export_tools.conftest import random_planes

RANDOM = np.random.default_rng(11)
MIXED = RANDOM.normal(size=(2, 18, 6))
MOMENTS = MIXED @ MIXED.transpose(0, 2, 1)  # of two groups of inputs that go together
TRAINED = RANDOM.normal(size=(64, 2, 3, 3))
SCALES = np.full(64, 0.2)
# Noise of neighbouring pixels is blurred together, as in photos.
PLANES = [np.kron(image[:, ::4, ::4], np.ones((1, 4, 4), np.uint8)) for image in random_planes(24)]


def harm(whole: NDArray[np.int16], rows: NDArray[np.intp]) -> float:
    """Return the squared error of the outputs of some rows, by the moments of their groups."""
    errors = (whole * 0.2 - TRAINED[rows]).reshape(len(rows), 18)
    return float(np.einsum("ri,rij,rj->", errors, MOMENTS[rows // 32], errors))


@pytest.mark.parametrize("rows", [np.arange(64), np.arange(5, 60, 3)], ids=["all", "some"])
def test_compensation_costs_the_outputs_less_than_the_nearest_step(
    rows: NDArray[np.intp],
) -> None:
    nearest = NearestStep().round(TRAINED, SCALES, rows, 127)
    made_up = Compensated(MOMENTS).round(TRAINED, SCALES, rows, 127)
    assert nearest.shape == made_up.shape == (len(rows), 2, 3, 3)
    assert harm(made_up, rows) < 0.5 * harm(nearest, rows)


@pytest.mark.parametrize("rounding", [NearestStep(), Compensated(MOMENTS)])
def test_no_weight_is_larger_than_allowed_and_a_dead_row_stays_zero(
    rounding: NearestStep | Compensated,
) -> None:
    trained, scales = TRAINED.copy(), SCALES.copy()
    trained[2], scales[2] = 0.0, 0.0
    whole = rounding.round(trained, scales, np.arange(64), 3)
    assert np.abs(whole).max() == 3
    assert not whole[2].any()


def layer_harms(model: ModelProto, quantized: ModelProto) -> list[float]:
    """Return each layer's squared error on the images that `model` was calibrated with."""
    moments = input_moments(model, PLANES)

    def of_layer(layer: QuantizedLayer) -> float:
        steps = layer.scales.reshape(-1, *[1] * (layer.trained.ndim - 1))
        errors = (layer.whole * steps - layer.trained).reshape(len(steps), -1)
        (varying,) = moments[layer.node.name]
        return float(np.einsum("ri,ij,rj->", errors, varying, errors))

    return [of_layer(layer) for layer in quantized_layers(quantized, model)]


@pytest.mark.parametrize("scheme", COMPARED.values(), ids=COMPARED)
def test_every_layer_of_a_graph_errs_less_with_the_same_scales(
    tiny_graph: bytes, scheme: Scheme
) -> None:
    model = onnx.load_model_from_string(tiny_graph)
    quantized = quantize_graph(model, PLANES, scheme)
    layers = list(quantized_layers(quantized, model))
    before, scales = layer_harms(model, quantized), [layer.scales for layer in layers]
    largest = [layer.largest for layer in layers]
    assert round_weights(quantized, model, compensations(model, PLANES)) == len(layers) == 4
    left = [found / was for found, was in zip(layer_harms(model, quantized), before, strict=True)]
    assert max(left) < 1
    assert np.mean(left) < 0.7
    after = list(quantized_layers(quantized, model))
    assert [layer.largest for layer in after] == largest
    assert all((layer.scales == was).all() for layer, was in zip(after, scales, strict=True))


def test_a_layer_without_a_rounding_is_left_alone(tiny_graph: bytes) -> None:
    model = onnx.load_model_from_string(tiny_graph)
    quantized = quantize_graph(model, PLANES)
    before = quantized.SerializeToString(deterministic=True)
    assert round_weights(quantized, model, {}) == 0
    assert quantized.SerializeToString(deterministic=True) == before


def test_weights_that_make_up_for_each_other_are_pair_safe_too(tiny_graph: bytes) -> None:
    model = onnx.load_model_from_string(tiny_graph)
    quantized, plain = quantize_graph(model, PLANES), quantize_graph(model, PLANES)
    roundings = compensations(model, PLANES)
    round_weights(quantized, model, roundings)
    assert make_pair_safe(quantized, model, roundings) > 0
    make_pair_safe(plain, model)
    for layer in quantized_layers(quantized, model):
        assert (largest_pair(layer.whole.astype(np.int8)) <= 128).all()
    assert sum(layer_harms(model, quantized)) < 0.9 * sum(layer_harms(model, plain))
