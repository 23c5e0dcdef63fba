"""Is a graph the one that the artifact contract promises? All faults are told together."""

from collections.abc import Iterable

import onnx
from onnx import ModelProto, TensorProto, ValueInfoProto

from export_tools.errors import ExportError
from export_tools.graph_clean import OPSET
from service.engine.graph_scan import check_graph
from service.engine.manifest import InputPolicy
from service.engine.session import INPUT_NAME, OUTPUT_NAME

BATCH = "batch"


def check_contract(
    graph: bytes, policy: InputPolicy, classes: int, *, domains: frozenset[str] = frozenset()
) -> None:
    """Check a serialised graph: valid ONNX, the contract's input and output, nothing else in it.

    `domains` are those of operators beside ONNX's own that may be in it.

    Raises:
        ExportError: names every fault.
        UnsafeGraph: the engine would refuse to load it.
    """
    model = onnx.load_model_from_string(graph)
    faults = [
        *_opset_faults(model, domains),
        *_value_faults(
            "input", model.graph.input, INPUT_NAME, TensorProto.UINT8, _input_shape(policy)
        ),
        *_value_faults(
            "output", model.graph.output, OUTPUT_NAME, TensorProto.FLOAT, [BATCH, classes]
        ),
        *_leftover_faults(model),
        *_kernel_shape_faults(model),
    ]
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        faults.append(f"the ONNX checker refuses it: {error}")
    if faults:
        raise ExportError(f"The graph breaks the contract: {'; '.join(faults)}.")
    check_graph(graph)


def _input_shape(policy: InputPolicy) -> list[str | int]:
    return [BATCH, 3, policy.height, policy.width]


def _opset_faults(model: ModelProto, domains: frozenset[str]) -> list[str]:
    found = [(o.domain, o.version) for o in model.opset_import if o.domain not in domains]
    return [] if found == [("", OPSET)] else [f"opsets {found} instead of {OPSET} alone"]


def _value_faults(
    role: str, values: Iterable[ValueInfoProto], name: str, element: int, shape: list[str | int]
) -> list[str]:
    found = [_describe(value) for value in values]
    wanted = [(name, element, shape)]
    return [] if found == wanted else [f"{role} {found} instead of {wanted}"]


def _describe(value: ValueInfoProto) -> tuple[str, int, list[str | int]]:
    tensor = value.type.tensor_type
    dims = [dim.dim_param or dim.dim_value for dim in tensor.shape.dim]
    return value.name, tensor.elem_type, dims


def _leftover_faults(model: ModelProto) -> list[str]:
    """Look for what carries local facts, or does not belong into a plain graph."""
    graph = model.graph
    parts = (*graph.node, *graph.initializer, *graph.input, *graph.output)
    leftovers = {
        "metadata": model.metadata_props
        or graph.metadata_props
        or any(part.metadata_props for part in parts),
        "doc strings": model.doc_string
        or graph.doc_string
        or any(part.doc_string for part in parts),
        "intermediate shapes": graph.value_info,
        "local functions": model.functions,
        "external data": any(
            tensor.data_location == TensorProto.EXTERNAL for tensor in graph.initializer
        ),
    }
    return [f"it has {what}" for what, found in leftovers.items() if found]


def _kernel_shape_faults(model: ModelProto) -> list[str]:
    without = [
        node.name
        for node in model.graph.node
        if node.op_type in ("Conv", "MaxPool")
        and all(attribute.name != "kernel_shape" for attribute in node.attribute)
    ]
    return [f"no kernel_shape in {', '.join(without)}"] if without else []
