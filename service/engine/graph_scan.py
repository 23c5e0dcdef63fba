"""A look into an ONNX file without the onnx package: operator domains and external data.

The server must refuse graphs that read other files or need custom operators before the runtime
sees them, and it ships without onnx. An ONNX file is a protocol buffer; only the few fields
below are visited, weights are skipped by their length.
Field numbers: onnx.proto3 (ModelProto, GraphProto, NodeProto, AttributeProto, TensorProto).
"""

from collections.abc import Iterator

from service.errors import UnsafeGraph

_ALLOWED_DOMAINS = frozenset({"", "ai.onnx", "com.microsoft"})

_MODEL_GRAPH, _MODEL_OPSETS, _MODEL_FUNCTIONS = 7, 8, 25
_OPSET_DOMAIN = 1
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_SPARSE = 1, 5, 15
_NODE_OP_TYPE, _NODE_ATTRIBUTE, _NODE_DOMAIN = 4, 5, 7
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH, _ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS = 5, 6, 10, 11
_ATTRIBUTE_SPARSES = (22, 23)
_TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION = 13, 14
_MAX_DEPTH = 16
_MAX_KEY = 0xFFFF_FFFF

Field = tuple[int, memoryview | int]


def check_graph(model: bytes) -> None:
    """Check a serialised ModelProto.

    Raises:
        UnsafeGraph: it is no ONNX model, or has external data, local functions or operators of
            a domain that ONNX Runtime does not bring itself; the first one is named.
    """
    graphs = 0
    for number, value in _fields(memoryview(model)):
        if number == _MODEL_OPSETS and isinstance(value, memoryview):
            for inner, domain in _fields(value):
                if inner == _OPSET_DOMAIN:
                    _check_domain(_text(domain), "the opset imports")
        elif number == _MODEL_FUNCTIONS:
            raise UnsafeGraph("The graph defines local functions, which are not allowed.")
        elif number == _MODEL_GRAPH and isinstance(value, memoryview):
            graphs += 1
            _check_graph(value, depth=0)
    if not graphs:
        raise UnsafeGraph("The file is not an ONNX model.")


def _check_graph(graph: memoryview, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise UnsafeGraph("The graph nests subgraphs too deeply.")
    for number, value in _fields(graph):
        if not isinstance(value, memoryview):
            continue
        if number == _GRAPH_NODE:
            _check_node(value, depth)
        elif number == _GRAPH_INITIALIZER:
            _check_tensor(value)
        elif number == _GRAPH_SPARSE:
            raise _sparse()


def _check_node(node: memoryview, depth: int) -> None:
    operator, domain = "?", ""
    for number, value in _fields(node):
        if number == _NODE_OP_TYPE:
            operator = _text(value)
        elif number == _NODE_DOMAIN:
            domain = _text(value)
        elif number == _NODE_ATTRIBUTE and isinstance(value, memoryview):
            _check_attribute(value, depth)
    _check_domain(domain, f"operator {operator}")


def _check_attribute(attribute: memoryview, depth: int) -> None:
    for number, value in _fields(attribute):
        if not isinstance(value, memoryview):
            continue
        if number in (_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS):
            _check_tensor(value)
        elif number in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS):
            _check_graph(value, depth + 1)
        elif number in _ATTRIBUTE_SPARSES:
            raise _sparse()


def _sparse() -> UnsafeGraph:
    return UnsafeGraph("The graph has sparse tensors, which are not allowed.")


def _check_tensor(tensor: memoryview) -> None:
    for number, value in _fields(tensor):
        if number == _TENSOR_EXTERNAL_DATA or (number == _TENSOR_DATA_LOCATION and value != 0):
            raise UnsafeGraph("The graph keeps weights in external data, which is not allowed.")


def _check_domain(domain: str, where: str) -> None:
    if domain not in _ALLOWED_DOMAINS:
        raise UnsafeGraph(f"Custom operators are not allowed: {where} of domain {domain!r}.")


def _text(value: memoryview | int) -> str:
    return bytes(value).decode("utf-8", "replace") if isinstance(value, memoryview) else ""


def _fields(message: memoryview) -> Iterator[Field]:
    """Yield (field number, value) of one message; fixed-width values come as views."""
    position, end = 0, len(message)
    while position < end:
        key, position = _varint(message, position)
        if key > _MAX_KEY:  # the runtime's parser drops the upper bits and would see another field
            raise UnsafeGraph("The file is not an ONNX model.")
        number, wire_type = key >> 3, key & 7
        value: memoryview | int
        if wire_type == 0:
            value, position = _varint(message, position)
        else:
            if wire_type == 2:
                size, position = _varint(message, position)
            elif wire_type in (1, 5):
                size = 8 if wire_type == 1 else 4
            else:
                raise UnsafeGraph("The file is not an ONNX model.")
            if position + size > end:
                raise UnsafeGraph("The ONNX file is cut short.")
            value = message[position : position + size]
            position += size
        yield number, value


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise UnsafeGraph("The ONNX file is cut short.")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise UnsafeGraph("The file is not an ONNX model.")
