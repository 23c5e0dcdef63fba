"""Small ONNX graphs that answer by the colour of a picture, and broken relatives of them."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

LABELS = ("red", "green", "blue")
HEIGHT, WIDTH = 24, 32

Dim = int | str | None


def colour_graph(  # noqa: PLR0913 - one for each part of a graph
    *,
    input_name: str = "image",
    output_name: str = "probabilities",
    input_type: int = TensorProto.UINT8,
    input_shape: Sequence[Dim] = ("batch", 3, HEIGHT, WIDTH),
    output_shape: Sequence[Dim] = ("batch", 3),
    sharpness: float = 5.0,
    nodes_before: Sequence[onnx.NodeProto] = (),
    tail: Sequence[onnx.NodeProto] = (),
    initializers: Sequence[TensorProto] = (),
    domains: Sequence[str] = ("",),
) -> onnx.ModelProto:
    """Build a graph whose probabilities follow the mean of each colour plane.

    `tail` replaces the softmax; it reads `logits` and writes `output_name`.
    """
    nodes = [
        *nodes_before,
        helper.make_node("Cast", [input_name], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "axes"], ["means"], keepdims=0),
        helper.make_node("Mul", ["means", "scale"], ["logits"]),
        *(tail or [helper.make_node("Softmax", ["logits"], [output_name], axis=1)]),
    ]
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info(input_name, input_type, input_shape)],
        [helper.make_tensor_value_info(output_name, TensorProto.FLOAT, output_shape)],
        [
            numpy_helper.from_array(np.array([2, 3], np.int64), "axes"),
            numpy_helper.from_array(np.array(sharpness / 255, np.float32), "scale"),
            *initializers,
        ],
    )
    opsets = [helper.make_opsetid(domain, 1 if domain else 18) for domain in domains]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def with_external_data() -> onnx.ModelProto:
    """Build a graph that wants its scale from another file."""
    model = colour_graph()
    scale = model.graph.initializer[1]
    scale.ClearField("raw_data")
    scale.data_location = TensorProto.EXTERNAL
    entry = scale.external_data.add()
    entry.key, entry.value = "location", "../../../etc/passwd"
    return model


def with_external_constant() -> onnx.ModelProto:
    """Build a graph whose external tensor hides in a Constant inside a subgraph."""
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), "hidden")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "weights.bin"
    branch = helper.make_graph(
        [helper.make_node("Constant", [], ["inner"], value=tensor)],
        "branch",
        [],
        [helper.make_tensor_value_info("inner", TensorProto.FLOAT, (4,))],
    )
    condition = numpy_helper.from_array(np.array(True), "condition")
    node = helper.make_node("If", ["condition"], ["unused"], then_branch=branch, else_branch=branch)
    return colour_graph(nodes_before=[node], initializers=[condition])


def with_sparse_constant() -> onnx.ModelProto:
    """Build a graph with a Constant that holds a sparse tensor."""
    values = numpy_helper.from_array(np.ones(1, np.float32), "values")
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "indices")
    node = helper.make_node("Constant", [], ["unused"])
    sparse = helper.make_sparse_tensor(values, indices, [4])
    node.attribute.append(helper.make_attribute("sparse_value", sparse))
    return colour_graph(nodes_before=[node])


def with_sparse_initializer() -> onnx.ModelProto:
    """Build a graph with a sparse initialiser."""
    model = colour_graph()
    values = numpy_helper.from_array(np.ones(1, np.float32), "values")
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "indices")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [4]))
    return model


def with_custom_domain() -> onnx.ModelProto:
    """Build a graph with an operator that ONNX Runtime does not bring."""
    node = helper.make_node("Frobnicate", ["image"], ["unused"], domain="com.example")
    return colour_graph(nodes_before=[node], domains=("", "com.example"))


def with_undeclared_domain() -> onnx.ModelProto:
    """Build a graph with a custom operator whose domain is not among the imports."""
    node = helper.make_node("Frobnicate", ["image"], ["unused"], domain="com.example")
    return colour_graph(nodes_before=[node])


def with_local_function() -> onnx.ModelProto:
    """Build a graph that defines its own operator."""
    model = colour_graph()
    model.functions.append(
        helper.make_function(
            "com.microsoft",
            "Twice",
            ["x"],
            ["y"],
            [helper.make_node("Add", ["x", "x"], ["y"])],
            [helper.make_opsetid("", 18)],
        )
    )
    return model


def nested(depth: int) -> onnx.ModelProto:
    """Build a graph with `depth` If nodes inside each other."""
    node = helper.make_node("Constant", [], ["inner"], value_float=1.0)
    for _ in range(depth):
        output = helper.make_tensor_value_info("inner", TensorProto.FLOAT, ())
        branch = helper.make_graph([node], "branch", [], [output])
        node = helper.make_node(
            "If", ["condition"], ["inner"], then_branch=branch, else_branch=branch
        )
    condition = numpy_helper.from_array(np.array(True), "condition")
    return colour_graph(nodes_before=[node], initializers=[condition])


def failing_when_run() -> onnx.ModelProto:
    """Build a graph that loads, holds the contract by its shapes, and fails at every run."""
    table = numpy_helper.from_array(np.zeros((2, 3), np.float32), "table")
    far = numpy_helper.from_array(np.array(7, np.int64), "far")
    tail = [
        # an index that no optimiser can fold: it comes from the batch size
        helper.make_node("Shape", ["image"], ["batch_size"], start=0, end=1),
        helper.make_node("Mul", ["batch_size", "far"], ["index"]),
        helper.make_node("Gather", ["table", "index"], ["row"], axis=0),
        helper.make_node("Add", ["logits", "row"], ["probabilities"]),
    ]
    return colour_graph(tail=tail, initializers=[table, far])


def endless_on_blue() -> onnx.ModelProto:
    """Build a graph that answers as usual, except that a blue picture takes years."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["going_on"], ["still_going_on"]),
            helper.make_node("Sin", ["before"], ["after"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, ()),
            helper.make_tensor_value_info("going_on", TensorProto.BOOL, ()),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, ()),
        ],
        [
            helper.make_tensor_value_info("still_going_on", TensorProto.BOOL, ()),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, ()),
        ],
    )
    tail = [
        *_whether_blue(),
        helper.make_node("Mul", ["times", "years"], ["rounds"]),
        helper.make_node("Loop", ["rounds", "", "zero"], ["nothing"], body=body),
        helper.make_node("Add", ["likely", "nothing"], ["probabilities"]),
    ]
    constants: dict[str, NDArray[Any]] = {
        "years": np.array(10**15, np.int64),
        "zero": np.array(0, np.float32),
    }
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    return colour_graph(tail=tail, initializers=[*_OF_BLUE, *initializers])


def failing_on_blue() -> onnx.ModelProto:
    """Build a graph that answers as usual, except that it fails at a blue picture."""
    tail = [
        *_whether_blue(),
        helper.make_node("Gather", ["table", "times"], ["row"], axis=0),
        helper.make_node("Add", ["likely", "row"], ["probabilities"]),
    ]
    table = numpy_helper.from_array(np.zeros((1, 3), np.float32), "table")
    return colour_graph(tail=tail, initializers=[*_OF_BLUE, table])


_OF_BLUE = (
    numpy_helper.from_array(np.array([2], np.int64), "blue"),
    numpy_helper.from_array(np.array(0.9, np.float32), "sure"),
)


def _whether_blue() -> list[onnx.NodeProto]:
    """Return nodes from `logits` to the softmax `likely` and to `times`, 1 for a blue picture."""
    return [
        helper.make_node("Softmax", ["logits"], ["likely"], axis=1),
        helper.make_node("Gather", ["likely", "blue"], ["blue_part"], axis=1),
        helper.make_node("ReduceMax", ["blue_part"], ["most_blue"], keepdims=0),
        helper.make_node("Greater", ["most_blue", "sure"], ["is_blue"]),
        helper.make_node("Cast", ["is_blue"], ["times"], to=TensorProto.INT64),
    ]


def with_undeclared_classes() -> onnx.ModelProto:
    """Build a graph that declares three classes and answers six, the best one beyond the third."""
    tail = [
        helper.make_node("Shape", ["image"], ["batch_size"], start=0, end=1),
        helper.make_node("Concat", ["one", "batch_size"], ["repeats"], axis=0),
        helper.make_node("Add", ["logits", "bonus"], ["better"]),
        helper.make_node("Tile", ["better", "repeats"], ["more"]),
        helper.make_node("Concat", ["logits", "more"], ["all_logits"], axis=1),
        helper.make_node("Softmax", ["all_logits"], ["probabilities"], axis=1),
    ]
    one = numpy_helper.from_array(np.array([1], np.int64), "one")
    bonus = numpy_helper.from_array(np.array(9, np.float32), "bonus")
    return colour_graph(tail=tail, initializers=[one, bonus])


def broken_contracts() -> Iterator[tuple[str, onnx.ModelProto]]:
    """Yield graphs that load in the runtime and break the artifact contract, with a name each."""
    yield "input name", colour_graph(input_name="data")
    yield "output name", colour_graph(output_name="scores")
    yield "input type", colour_graph(input_type=TensorProto.FLOAT)
    yield "fixed batch", colour_graph(input_shape=(1, 3, HEIGHT, WIDTH), output_shape=(1, 3))
    yield (
        "unnamed batch",
        colour_graph(input_shape=(None, 3, HEIGHT, WIDTH), output_shape=(None, 3)),
    )
    yield (
        "batch by another name",
        colour_graph(input_shape=("n", 3, HEIGHT, WIDTH), output_shape=("n", 3)),
    )
    yield (
        "input's batch by another name",
        colour_graph(input_shape=("n", 3, HEIGHT, WIDTH), output_shape=("batch", 3)),
    )
    yield (
        "output's batch by another name",
        colour_graph(input_shape=("batch", 3, HEIGHT, WIDTH), output_shape=("n", 3)),
    )
    yield "symbolic height", colour_graph(input_shape=("batch", 3, "height", WIDTH))
    yield (
        "one channel",
        colour_graph(input_shape=("batch", 1, HEIGHT, WIDTH), output_shape=("batch", 1)),
    )
    yield "logits beside", _with_second_output()


def _with_second_output() -> onnx.ModelProto:
    model = colour_graph()
    extra = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ("batch", 3))
    model.graph.output.append(extra)
    return model
