"""Parts of a concatenation get its scale where nobody else reads them."""

import numpy as np
import onnx
from onnx import ModelProto

from export_tools.graph_clean import clean_graph
from export_tools.quantize import quantize_graph
from export_tools.share_concat import share_concat_scales
from service.engine.session import OrtSession, SessionOptions
from tests.export_tools.conftest import random_planes


def quantized(graph: bytes) -> ModelProto:
    return quantize_graph(onnx.load_model_from_string(graph), list(random_planes(32)))


def run(model: ModelProto) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    copy = ModelProto()
    copy.CopyFrom(model)
    return OrtSession(clean_graph(copy), SessionOptions()).run(random_planes(32))


def test_parts_share_the_scale_of_the_whole(tiny_graph: bytes) -> None:
    model = quantized(tiny_graph)
    before = run(model)
    assert share_concat_scales(model) == 1
    makers = {name: node for node in model.graph.node for name in node.output}
    concat = next(node for node in model.graph.node if node.op_type == "Concat")
    whole = next(node for node in model.graph.node if concat.output[0] in node.input)
    for part in concat.input:
        dequantize = makers[part]
        assert list(dequantize.input[1:]) == list(whole.input[1:])
        assert list(makers[dequantize.input[0]].input[1:]) == list(whole.input[1:])
    np.testing.assert_allclose(run(model), before, atol=0.05)


def test_a_part_that_others_read_keeps_its_scale(tiny_graph: bytes) -> None:
    model = quantized(tiny_graph)
    concat = next(node for node in model.graph.node if node.op_type == "Concat")
    model.graph.node.append(onnx.helper.make_node("Identity", [concat.input[0]], ["other"]))
    before = model.SerializeToString(deterministic=True)
    assert share_concat_scales(model) == 0
    assert model.SerializeToString(deterministic=True) == before


def test_a_float_concatenation_is_left_alone(tiny_graph: bytes) -> None:
    assert share_concat_scales(onnx.load_model_from_string(tiny_graph)) == 0
