"""Classifiers as others make them: tiny ones built node by node, and those that onnx ships."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from export_tools.adopt import AdoptRequest, Preprocessing
from export_tools.photos import selftest_photo

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
LABELS = tuple("abcd")
SIZE = 32


def request(model: ModelProto | bytes, **changes: Any) -> AdoptRequest:
    """Ask for a model to be adopted, with what most tests want."""
    data = model if isinstance(model, bytes) else model.SerializeToString()
    wanted: dict[str, Any] = {
        "name": "theirs",
        "data": data,
        "file_name": "theirs.onnx",
        "labels": LABELS,
        "selftest": selftest_photo(),
        "preprocessing": Preprocessing(mean=(0.5,) * 3, std=(0.25,) * 3, value_range=1),
        "unsure": True,
        "rounds": 1,
    }
    return AdoptRequest(**{**wanted, **changes})


def silent(_: str) -> None:
    """Take what is said and say nothing."""


def weights(*shape: int, seed: int = 3) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    fan_in = math.prod(shape[1:]) if len(shape) > 1 else 1
    return (random.normal(size=shape) * math.sqrt(2 / fan_in)).astype(np.float32)


def classifier(
    *,
    input_shape: Sequence[int | str] = (1, 3, SIZE, SIZE),
    element: int = TensorProto.FLOAT,
    front: Sequence[NodeProto] = (),
    flatten: Sequence[int] = (1, 8),
    back: Sequence[NodeProto] = (),
    output: str = "logits",
    output_shape: Sequence[int | str] | None = (1, len(LABELS)),
    output_element: int = TensorProto.FLOAT,
    inputs: Sequence[onnx.ValueInfoProto] = (),
    outputs: Sequence[onnx.ValueInfoProto] = (),
    opset: int = 17,
) -> ModelProto:
    """Build convolution, ReLU, global pool, reshape and a matrix product.

    `front` leads from "input" to "x", `back` from "logits" to `output`.
    """
    nodes = [
        *(front or [helper.make_node("Identity", ["input"], ["x"])]),
        helper.make_node("Conv", ["x", "kernel", "bias"], ["c"], strides=[2, 2], pads=[1] * 4),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Reshape", ["p", "flat"], ["f"]),
        helper.make_node("Gemm", ["f", "matrix", "shift"], ["logits"]),
        *back,
    ]
    constants = {
        "kernel": weights(8, 3, 3, 3),
        "bias": weights(8, seed=4) * 0.1,
        "matrix": weights(8, len(LABELS), seed=5) * 3,
        "shift": np.zeros(len(LABELS), np.float32),
        "flat": np.array(flatten, np.int64),
    }
    graph = helper.make_graph(
        nodes,
        "theirs",
        [helper.make_tensor_value_info("input", element, input_shape), *inputs],
        [helper.make_tensor_value_info(output, output_element, output_shape), *outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def light_model(name: str, head: float = 1.0) -> ModelProto:
    """Return a light model of onnx's backend tests with random weights.

    They ship with constant ones, whose answers are all alike. `head` scales the classifier, for
    nets whose answers would be sure of one class to the last bit.
    """
    model = onnx.load(LIGHT / f"light_{name}.onnx")
    graph = model.graph
    shapes = {t.name: numpy_helper.to_array(t) for t in graph.initializer if t.data_type == 7}
    kept = []
    for number, node in enumerate(graph.node):
        if node.op_type != "ConstantOfShape":
            kept.append(node)
            continue
        shape = [int(size) for size in shapes[node.input[0]]]
        values = weights(*shape, seed=number)
        if len(shape) == 1:  # batch norm's variances are among them
            values = (np.abs(values) * 0.2 + 0.5).astype(np.float32)
        if len(shape) == 2:
            values *= np.float32(head)
        graph.initializer.append(numpy_helper.from_array(values, node.output[0]))
        graph.input.append(helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, shape))
    del graph.node[:]
    graph.node.extend(kept)
    return model
