"""Put the contract around a graph: nodes before its input and behind its output."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from export_tools.adopt.original import Original, Preprocessing
from export_tools.graph_checks import BATCH
from export_tools.graph_macs import infer_shapes
from service.engine.session import INPUT_NAME, OUTPUT_NAME

PREFIX = "net/"
_NHWC = [0, 2, 3, 1]


def compose(
    original: Original,
    preprocessing: Preprocessing,
    size: tuple[int, int],
    classes: int,
    *,
    softmax: bool,
) -> ModelProto:
    """Return the graph with uint8 RGB planes in and probabilities out.

    Args:
        original: a graph of our opset whose batch is free.
        preprocessing: what its input expects.
        size: height and width of the input.
        classes: length of its answer.
        softmax: whether one is missing.
    """
    model = onnx.compose.add_prefix(original.model, PREFIX)
    graph = model.graph
    front = _front(original, preprocessing, f"{PREFIX}{original.input}")
    back = _back(f"{PREFIX}{original.output}", softmax=softmax)
    body = list(graph.node)
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend([*front, *body, *back])
    graph.initializer.extend(_constants(preprocessing, original))
    graph.input.append(
        onnx.helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, [BATCH, 3, *size])
    )
    graph.output.append(
        onnx.helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, [BATCH, classes])
    )
    return model


def grey_normalisation(
    preprocessing: Preprocessing,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return scale and offset by channel, so that x * scale + offset is the net's input.

    Channels are in the net's order, x are grey levels.
    """
    unit = 255 / preprocessing.value_range
    mean, std = (np.array(values) * unit for values in (preprocessing.mean, preprocessing.std))
    return 1 / std, -mean / std


def _front(original: Original, preprocessing: Preprocessing, target: str) -> list[NodeProto]:
    steps: list[tuple[str, list[str], dict[str, Any]]] = []
    if preprocessing.channels == "BGR":
        steps.append(("Gather", ["featherbox/bgr"], {"axis": 1}))
    if original.element != TensorProto.UINT8:
        steps.append(("Cast", [], {"to": TensorProto.FLOAT}))
        steps.append(("Mul", ["featherbox/scale"], {}))
        steps.append(("Add", ["featherbox/offset"], {}))
    if preprocessing.layout == "NHWC":
        steps.append(("Transpose", [], {"perm": _NHWC}))
    if original.element not in (TensorProto.UINT8, TensorProto.FLOAT):
        steps.append(("Cast", [], {"to": original.element}))
    return _chain(INPUT_NAME, steps or [("Identity", [], {})], target)


def _back(source: str, *, softmax: bool) -> list[NodeProto]:
    # Flatten makes [batch, classes] of [batch, classes, 1, 1], and of itself; the cast is free
    # where the answer is float already: the runtime drops it.
    steps: list[tuple[str, list[str], dict[str, Any]]] = [
        ("Flatten", [], {"axis": 1}),
        ("Cast", [], {"to": TensorProto.FLOAT}),
    ]
    if softmax:
        steps.append(("Softmax", [], {"axis": 1}))
    return _chain(source, steps, OUTPUT_NAME)


def _chain(
    source: str, steps: list[tuple[str, list[str], dict[str, Any]]], target: str
) -> list[NodeProto]:
    """Return the nodes that lead from one value through the steps to another."""
    nodes = []
    for index, (operator, constants, attributes) in enumerate(steps):
        last = index == len(steps) - 1
        result = target if last else f"featherbox/{operator.lower()}_{source}"
        nodes.append(
            onnx.helper.make_node(
                operator, [source, *constants], [result], name=f"node/{result}", **attributes
            )
        )
        source = result
    return nodes


def _constants(preprocessing: Preprocessing, original: Original) -> list[TensorProto]:
    constants = []
    if preprocessing.channels == "BGR":
        constants.append(numpy_helper.from_array(np.array([2, 1, 0], np.int64), "featherbox/bgr"))
    if original.element != TensorProto.UINT8:
        for name, values in zip(
            ("scale", "offset"), grey_normalisation(preprocessing), strict=True
        ):
            shaped = values.astype(np.float32).reshape(1, 3, 1, 1)
            constants.append(numpy_helper.from_array(shaped, f"featherbox/{name}"))
    return constants


def write_kernel_shapes(model: ModelProto) -> None:
    """Write the kernel's shape into convolutions that leave it to their weights, in place."""
    bare = [
        node
        for node in model.graph.node
        if node.op_type == "Conv" and all(item.name != "kernel_shape" for item in node.attribute)
    ]
    shapes = infer_shapes(model) if bare else {}
    for node in bare:
        kernel = shapes.get(node.input[1], [])[2:]
        if kernel:
            node.attribute.append(onnx.helper.make_attribute("kernel_shape", kernel))
