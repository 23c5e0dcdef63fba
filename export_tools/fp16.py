"""Half-precision graphs: a smaller file for CPU, or half arithmetic for CUDA.

`weights_to_fp16` stores weights as float16 and casts them back; the runtime does that once, at
load, so a CPU computes in fp32 as before: half the file, the same speed, nearly the same answers.
`to_fp16` computes in float16 between the image's cast and the softmax, which CUDA has units for.
A CPU has none that the runtime uses and casts around every layer: slower, see docs/compression.md.
"""

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from export_tools.errors import ExportError
from export_tools.graph_clean import clean_graph

_SMALL = 64  # values below which a weight is not worth a cast
_LARGEST = float(np.finfo(np.float16).max)


def weights_to_fp16(graph: bytes) -> bytes:
    """Store a contract graph's large weights as float16.

    Raises:
        ExportError: a weight is beyond float16's range.
    """
    model: ModelProto = onnx.load_model_from_string(graph)
    casts: list[NodeProto] = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < _SMALL:
            continue
        full = tensor.name
        half = f"{full}_fp16"
        tensor.CopyFrom(_halved(values, full, half))
        casts.append(onnx.helper.make_node("Cast", [half], [full], f"{full}_cast", to=1))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return clean_graph(model)


def to_fp16(graph: bytes) -> bytes:
    """Make a contract graph compute in float16; input and output stay as the contract says.

    Raises:
        ExportError: a weight is beyond float16's range, or the graph does not end in a softmax.
    """
    model: ModelProto = onnx.load_model_from_string(graph)
    last = model.graph.node[-1]
    if last.op_type != "Softmax":
        raise ExportError("The graph does not end in a softmax, which is to stay fp32.")
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(_halved(numpy_helper.to_array(tensor), tensor.name, tensor.name))
    for node in model.graph.node:
        for item in node.attribute:
            if node.op_type == "Cast" and item.name == "to" and item.i == TensorProto.FLOAT:
                item.i = TensorProto.FLOAT16
    logits = last.input[0]
    widened = onnx.helper.make_node("Cast", [logits], ["logits_fp32"], "logits_cast", to=1)
    last.input[0] = "logits_fp32"
    model.graph.node.insert(len(model.graph.node) - 1, widened)
    return clean_graph(model)


def _halved(values: np.ndarray, name: str, called: str) -> TensorProto:
    if np.abs(values).max(initial=0) > _LARGEST:
        raise ExportError(f"{name} has values beyond {_LARGEST:g}, the largest of float16.")
    return numpy_helper.from_array(values.astype(np.float16), called)
