"""Free a graph's batch axis, where it was exported for one image.

Nets of other frameworks carry the batch in their reshapes: `Reshape(x, [1, 1024])`. There a 0,
"as in the input", does the same for any batch. Only values that depend on the image are looked at,
as weights are reshaped too; and whether all of it was found, parity shows at another batch size.
"""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper

from export_tools.graph_checks import BATCH


def free_batch(model: ModelProto, batch: int | None) -> int:
    """Make the first axis of the input symbolic, in place.

    Args:
        model: a graph with one input.
        batch: what the axis was fixed to; None where it is free already.

    Returns:
        How many reshapes were changed.
    """
    graph = model.graph
    (image,) = graph.input
    image.type.tensor_type.shape.dim[0].dim_param = BATCH
    del graph.value_info[:]
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")
    if batch is None:
        return 0
    changed = 0
    alive = {image.name}
    for node in graph.node:
        if not alive.intersection(node.input):
            continue
        alive.update(node.output)
        if node.op_type == "Reshape" and node.input[0] in alive:
            changed += _free_reshape(model, node, batch)
    return changed


def _free_reshape(model: ModelProto, node: NodeProto, batch: int) -> bool:
    shape = _constant(model, node.input[1])
    if shape is None or not len(shape) or shape[0] != batch:
        return False
    kept = [attribute for attribute in node.attribute if attribute.name != "allowzero"]
    del node.attribute[:]
    node.attribute.extend(kept)
    # A tensor of its own: several reshapes may share one.
    name = f"{node.input[1]}_for_{node.output[0]}"
    free = np.concatenate([[0], shape[1:]]).astype(np.int64)
    model.graph.initializer.append(numpy_helper.from_array(free, name))
    node.input[1] = name
    return True


def _constant(model: ModelProto, name: str) -> NDArray[np.int64] | None:
    """Return a constant's value: an initialiser's, or that of a Constant node."""
    for tensor in model.graph.initializer:
        if tensor.name == name:
            return numpy_helper.to_array(tensor)
    for node in model.graph.node:
        if name in node.output and node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    return numpy_helper.to_array(attribute.t)
                if attribute.name == "value_ints":
                    return np.array(onnx.helper.get_attribute_value(attribute), np.int64)
    return None
