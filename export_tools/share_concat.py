"""Give the parts of a quantised concatenation the scale of the whole.

The quantiser gives each part its own scale and the whole another, so every part is rounded twice
and the runtime has to requantise what it could copy. A part that nobody else reads can be
quantised with the whole's scale at once: one rounding, and the concatenation becomes a copy.
"""

from onnx import ModelProto, NodeProto


def share_concat_scales(model: ModelProto) -> int:
    """Rewire the scales of concatenations, in place; return how many were changed."""
    makers = {name: node for node in model.graph.node for name in node.output}
    users: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    changed = 0
    for concat in model.graph.node:
        if concat.op_type != "Concat":
            continue
        whole = users.get(concat.output[0], [])
        parts = [_private_pair(name, makers, users) for name in concat.input]
        if len(whole) != 1 or whole[0].op_type != "QuantizeLinear" or None in parts:
            continue
        for pair in parts:
            for node in pair or ():
                node.input[1], node.input[2] = whole[0].input[1], whole[0].input[2]
        changed += 1
    return changed


def _private_pair(
    name: str, makers: dict[str, NodeProto], users: dict[str, list[NodeProto]]
) -> tuple[NodeProto, NodeProto] | None:
    """Return the quantise and dequantise nodes behind a value that only one node reads."""
    dequantize = makers.get(name)
    if dequantize is None or dequantize.op_type != "DequantizeLinear" or len(users[name]) != 1:
        return None
    quantize = makers.get(dequantize.input[0])
    if quantize is None or quantize.op_type != "QuantizeLinear":
        return None
    return (quantize, dequantize) if len(users[quantize.output[0]]) == 1 else None
