"""MACs counted from a graph, by the convention of the nets' own count."""

import onnx
import pytest
from onnx import TensorProto, helper

from export_tools.errors import ExportError
from export_tools.graph_macs import count_graph_macs
from tests.export_tools.adopt.support import classifier

CONVOLUTION = 8 * 16 * 16 * 27
PRODUCT = 8 * 4


def test_convolutions_and_products_count_and_nothing_else() -> None:
    assert count_graph_macs(classifier()) == CONVOLUTION + PRODUCT


def test_a_free_batch_axis_counts_as_one_image() -> None:
    model = classifier(input_shape=("batch", 3, 32, 32), flatten=(0, -1), output_shape=None)
    assert count_graph_macs(model) == CONVOLUTION + PRODUCT


def test_a_sum_of_squares_is_normalisation() -> None:
    model = classifier(front=[helper.make_node("Mul", ["input", "input"], ["x"])])
    assert count_graph_macs(model) == PRODUCT


def test_a_depthwise_layer_sums_its_own_channel() -> None:
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 6, 8, 8])
    kernel = helper.make_tensor("k", TensorProto.FLOAT, [6, 1, 3, 3], [0.0] * 54)
    node = helper.make_node("Conv", ["x", "k"], ["y"], group=6, pads=[1] * 4)
    answer = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([node], "g", [image], [answer], [kernel])
    assert count_graph_macs(helper.make_model(graph)) == 6 * 64 * 9


def test_a_shape_that_nobody_knows_is_told() -> None:
    model = classifier(input_shape=("batch", 3, "height", "width"), output_shape=None)
    del model.graph.value_info[:]
    with pytest.raises(ExportError, match="shapes around Conv"):
        count_graph_macs(onnx.load_model_from_string(model.SerializeToString()))
