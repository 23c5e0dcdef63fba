"""Average pools become depthwise convolutions that answer the same."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from export_tools.average_pool import average_by_convolution
from export_tools.graph_macs import count_graph_macs

SHAPE = (2, 6, 9, 9)


def pooled(**attributes: object) -> onnx.ModelProto:
    """Make convolution, average pool, global pool: the last is not to be replaced."""
    kernel = np.random.default_rng(2).normal(size=(6, 6, 1, 1)).astype(np.float32)
    pool = helper.make_node("AveragePool", ["a"], ["b"], name="pool")
    pool.attribute.extend(helper.make_attribute(*item) for item in attributes.items())
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["a"], name="conv"),
        pool,
        helper.make_node("AveragePool", ["b"], ["y"], name="last", kernel_shape=[3, 3]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(kernel, "k")],
    )
    opsets = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def answer(model: onnx.ModelProto) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    x = np.random.default_rng(3).normal(size=SHAPE).astype(np.float32)
    found: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = session.run(None, {"x": x})[0]
    return found


@pytest.mark.parametrize(
    "attributes",
    [
        {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1},
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4, "count_include_pad": 1},
        {"kernel_shape": [2, 3], "strides": [1, 2]},
    ],
)
def test_the_answers_and_the_macs_stay(attributes: dict[str, object]) -> None:
    model = pooled(**attributes)
    before, macs = answer(model), count_graph_macs(model)
    assert average_by_convolution(model) == 1
    assert [node.op_type for node in model.graph.node] == ["Conv", "Conv", "AveragePool"]
    np.testing.assert_allclose(answer(model), before, atol=1e-5)
    assert count_graph_macs(model) == macs


@pytest.mark.parametrize(
    "attributes",
    [
        {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]},
        {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1},
    ],
    ids=["padding that does not count", "partial windows"],
)
def test_a_pool_that_divides_by_what_it_met_is_left(attributes: dict[str, object]) -> None:
    model = pooled(**attributes)
    assert average_by_convolution(model) == 0
    assert [node.op_type for node in model.graph.node] == ["Conv", "AveragePool", "AveragePool"]
