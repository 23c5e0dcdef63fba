"""Make an ONNX graph's file depend on the net and the tools' versions only.

The exporter writes local paths and stack traces into metadata, and shapes of every intermediate
value; both go. What parsers need and the exporter may leave out, `kernel_shape`, is written.
"""

import onnx
from onnx import ModelProto, NodeProto

OPSET = 20
IR_VERSION = 10  # the oldest that has this opset's types; readers refuse newer ones than theirs
PRODUCER = "featherbox"


def clean_graph(model: ModelProto) -> bytes:
    """Strip `model` (changed in place) to what is computed; return the bytes to write.

    Metadata, doc strings, intermediate shapes, unused initialisers and unused opset imports go;
    names, nodes and weights stay.
    """
    graph = model.graph
    model.producer_name, model.producer_version = PRODUCER, ""
    model.ir_version = IR_VERSION
    model.ClearField("doc_string")
    model.ClearField("metadata_props")
    graph.name = PRODUCER
    for field in ("doc_string", "value_info", "metadata_props", "quantization_annotation"):
        graph.ClearField(field)
    for item in (*graph.node, *graph.initializer, *graph.input, *graph.output):
        item.ClearField("doc_string")
        item.ClearField("metadata_props")
    _drop_unused_initialisers(model)
    _drop_unused_opsets(model)
    for node in graph.node:
        if node.op_type == "Conv":
            _write_kernel_shape(node, model)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _drop_unused_initialisers(model: ModelProto) -> None:
    used = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def _drop_unused_opsets(model: ModelProto) -> None:
    used = {node.domain for node in model.graph.node} | {""}
    kept = [opset for opset in model.opset_import if opset.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)


def _write_kernel_shape(node: NodeProto, model: ModelProto) -> None:
    """Parsers such as TensorRT's want the attribute once weights are behind a DequantizeLinear."""
    if any(attribute.name == "kernel_shape" for attribute in node.attribute):
        return
    shape = _weight_shape(node.input[1], model)
    if shape is not None:
        node.attribute.append(onnx.helper.make_attribute("kernel_shape", shape[2:]))


def _weight_shape(name: str, model: ModelProto) -> list[int] | None:
    """Return the shape of a convolution's weights, looking through a DequantizeLinear."""
    for node in model.graph.node:
        if name in node.output and node.op_type == "DequantizeLinear":
            name = node.input[0]
            break
    for tensor in model.graph.initializer:
        if tensor.name == name:
            return list(tensor.dims)
    return None
