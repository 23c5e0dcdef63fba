"""The reading of a request: without copies where there need be none, and never with a bug."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from service.api.v2.request import InferenceLimits, read_request
from service.engine.manifest import Manifest, read_manifest
from service.errors import RequestError
from tests.service.api.v2.support import planes, tensor
from tests.support.artifacts import write_artifact

LIMITS = InferenceLimits(images=4, image_bytes=10_000, json_bytes=100_000)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return read_manifest(write_artifact(tmp_path_factory.mktemp("models")))


def test_a_binary_tensor_is_used_where_it_was_received(manifest: Manifest) -> None:
    values = planes("red", "blue", "green")
    text = json.dumps({"inputs": [tensor(values, data=None)]}).encode()
    body = text + values.tobytes()
    wanted = read_request(body, str(len(text)).encode(), manifest, LIMITS)
    assert wanted.inputs.planes is not None
    assert np.shares_memory(wanted.inputs.planes, np.frombuffer(body, np.uint8))
    assert np.array_equal(wanted.inputs.planes, values)


def test_a_raw_tensor_is_used_where_it_was_received(manifest: Manifest) -> None:
    body = planes("green").tobytes()
    wanted = read_request(body, b"0", manifest, LIMITS)
    assert wanted.inputs.planes is not None
    assert np.shares_memory(wanted.inputs.planes, np.frombuffer(body, np.uint8))


def test_a_document_is_bounded_before_it_is_parsed(manifest: Manifest) -> None:
    values = planes("red", "red", "red", "red")
    largest = json.dumps({"inputs": [tensor(values, data=values.tolist())]}).encode()
    assert len(read_request(largest, None, manifest, LIMITS).inputs) == 4
    for text in (b"[],", b"{},", b"1,", b'["a"],'):
        body = b'{"inputs":[' + text * (90_000 // len(text)) + b"0]}"
        with pytest.raises(RequestError, match="more values or lists"):
            read_request(body, None, manifest, LIMITS)
    with pytest.raises(RequestError, match="100000 bytes"):
        read_request(b" " * 100_001 + largest, None, manifest, LIMITS)


_json = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=8),
    lambda inner: (
        some.lists(inner, max_size=3)
        | some.dictionaries(
            some.sampled_from(
                ["name", "shape", "datatype", "data", "parameters", "binary_data_size", "inputs"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
_inputs = some.fixed_dictionaries(
    {
        "name": some.just("image") | _json,
        "datatype": some.sampled_from(["UINT8", "BYTES", "FP32"]) | _json,
        "shape": some.just([1, 3, 24, 32]) | some.just([2]) | _json,
    },
    optional={"data": _json, "parameters": _json},
)
_requests = some.fixed_dictionaries(
    {"inputs": some.lists(_inputs, max_size=2) | _json},
    optional={"id": _json, "outputs": _json, "parameters": _json},
)


@given(document=_requests | _json, rest=some.binary(max_size=64), shift=some.integers(-9, 9))
def test_whatever_is_sent_is_read_or_refused(
    manifest: Manifest, document: Any, rest: bytes, shift: int
) -> None:
    text = json.dumps(document).encode()
    for length in (None, str(len(text) + shift).encode()):
        try:
            wanted = read_request(text + rest, length, manifest, LIMITS)
        except RequestError as error:
            assert error.status in {400, 413}
            assert error.detail
        else:
            assert 1 <= len(wanted.inputs) <= LIMITS.images
