"""Parameters and the token's header, read by hand: any bytes give a value or our own error."""

from urllib.parse import urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.api.access import Access
from service.api.parameters import ClassifyParameters, read_parameters
from service.api.record import RequestRecord
from service.errors import Forbidden, InvalidParameter, MalformedRequest, Unauthorized

TIMEOUT = b"x-request-timeout-ms"

PIECES = st.sampled_from(
    [b"model=", b"top_k=", b"&", b"=", b"%", b"%00", b"%ff", b"+", b"-1", b"1", b"0", b"a:2",
     b"\xd9\xa1", b"%D9%A1", b"1_0", b"1e3", b" ", b";"]
)  # fmt: skip
QUERIES = st.lists(PIECES | st.binary(max_size=3), max_size=40).map(b"".join)
HEADERS = st.none() | st.binary(max_size=80) | st.integers(-5, 10**70).map(lambda n: b"%d" % n)


@given(query=QUERIES, timeout=HEADERS)
@example(query=b"top_k=" + b"9" * 5000, timeout=None)
@example(query=b"&" * 5000, timeout=None)
@example(query=b"model=" + b"x" * 129, timeout=b"0")
def test_any_query_gives_parameters_in_range_or_our_own_error(
    query: bytes, timeout: bytes | None
) -> None:
    headers = {} if timeout is None else {TIMEOUT: timeout}
    try:
        asked = read_parameters(headers, query)
    except (InvalidParameter, MalformedRequest) as error:
        assert len(error.detail) < 500
        return
    assert asked.model is None or len(asked.model) <= 128
    assert asked.top_k is None or asked.top_k >= 1
    assert asked.timeout_ms is None or asked.timeout_ms >= 1


@given(
    model=st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=128),
    top_k=st.none() | st.integers(1, 10**60),
    timeout=st.none() | st.integers(1, 10**60),
)
def test_what_is_asked_for_is_what_is_read(
    model: str | None, top_k: int | None, timeout: int | None
) -> None:
    given_ = {"model": model, "top_k": top_k}
    query = urlencode({name: value for name, value in given_.items() if value is not None})
    headers = {} if timeout is None else {TIMEOUT: b"%d" % timeout}
    assert read_parameters(headers, query.encode()) == ClassifyParameters(model, top_k, timeout)


@given(header=st.binary(max_size=100) | st.binary(max_size=60).map(b"Bearer ".__add__))
@example(header=b"Bearer " + bytes(32))
@example(header=b"Bearer " + b"0" * 64)
def test_no_header_that_was_not_given_out_opens_anything(header: bytes) -> None:
    access = Access(frozenset({bytes(32)}), frozenset({b"\x01" * 32}))
    record = RequestRecord("id", headers={b"authorization": header})
    with pytest.raises(Unauthorized):
        access.check_client(record)
    with pytest.raises((Unauthorized, Forbidden)):
        access.check_admin(record)
