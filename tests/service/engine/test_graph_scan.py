"""What the scan lets through, and what it names when it does not."""

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto

from benchmarks.reliability.files import graphs
from service.engine.graph_scan import check_graph
from service.errors import UnsafeGraph

PLAIN = graphs.colour_graph().SerializeToString()
EXTERNAL = graphs.with_external_data().SerializeToString()

UNSAFE = {
    "external data": graphs.with_external_data(),
    "external data ": graphs.with_external_constant(),
    "sparse": graphs.with_sparse_constant(),
    "sparse ": graphs.with_sparse_initializer(),
    "'com.example'": graphs.with_custom_domain(),
    "Frobnicate": graphs.with_undeclared_domain(),
    "local functions": graphs.with_local_function(),
    "too deeply": graphs.nested(17),
}


def field(number: int, data: bytes, more_bits: int = 0) -> bytes:
    """Return one length-delimited field; `more_bits` are set above its number."""
    return varint(number << 3 | 2 | more_bits) + varint(len(data)) + data


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


@pytest.mark.parametrize(
    "model",
    [graphs.colour_graph(), graphs.colour_graph(domains=("", "com.microsoft")), graphs.nested(12)],
    ids=["plain", "operators that the runtime brings", "nested a little"],
)
def test_a_graph_that_needs_nothing_else_passes(model: onnx.ModelProto) -> None:
    check_graph(model.SerializeToString())


@pytest.mark.parametrize("named", UNSAFE)
def test_what_is_unsafe_is_refused_by_name(named: str) -> None:
    with pytest.raises(UnsafeGraph, match=named.strip()):
        check_graph(UNSAFE[named].SerializeToString())


def test_an_import_of_a_custom_domain_alone_is_refused() -> None:
    with pytest.raises(UnsafeGraph, match=r"com\.example"):
        check_graph(graphs.colour_graph(domains=("", "com.example")).SerializeToString())


def test_external_data_without_the_location_flag_is_refused() -> None:
    model = graphs.with_external_data()
    model.graph.initializer[1].data_location = TensorProto.DEFAULT
    with pytest.raises(UnsafeGraph, match="external data"):
        check_graph(model.SerializeToString())


def test_a_graph_written_in_two_pieces_is_read_in_both() -> None:
    # a parser merges a message that comes twice
    tensor = graphs.with_external_data().graph.initializer[1].SerializeToString()
    with pytest.raises(UnsafeGraph, match="external data"):
        check_graph(PLAIN + field(7, field(5, tensor)))


def test_a_tag_beyond_32_bits_hides_nothing() -> None:
    # the runtime's parser drops the upper bits and finds the external data
    tensor = graphs.with_external_data().graph.initializer[1].SerializeToString()
    hidden = field(5, tensor, more_bits=1 << 33)
    with pytest.raises(UnsafeGraph, match="not an ONNX model"):
        check_graph(PLAIN + field(7, hidden))


@pytest.mark.parametrize("data", [b"", b"hello", b"\x08\x08", bytes(64), b"\xff" * 64])
def test_what_is_no_model_is_refused(data: bytes) -> None:
    with pytest.raises(UnsafeGraph):
        check_graph(data)


def test_a_model_cut_within_its_graph_is_refused() -> None:
    graph_ends = PLAIN.rindex(b"batch")
    for end in range(8, graph_ends):
        with pytest.raises(UnsafeGraph):
            check_graph(PLAIN[:end])


def _changed(model: bytes, edits: list[tuple[int, int]]) -> bytes:
    data = bytearray(model)
    for position, value in edits:
        data[position % len(data)] = value
    return bytes(data)


EDITS = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=6)


@given(data=st.binary(max_size=200) | st.builds(_changed, st.just(PLAIN), EDITS))
def test_damaged_models_raise_only_unsafe_graph(data: bytes) -> None:
    try:
        check_graph(data)
    except UnsafeGraph as error:
        assert error.detail


@given(data=st.builds(_changed, st.just(EXTERNAL), EDITS))
def test_no_model_with_external_data_passes(data: bytes) -> None:
    try:
        check_graph(data)
    except UnsafeGraph:
        return
    try:
        model = onnx.load_model_from_string(data)
    except Exception:  # protobuf ships no types
        return
    assert not any(tensor.external_data for tensor in model.graph.initializer)
