"""What POST infer refuses: with the right status, `{"error": ...}`, and nothing left behind."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service.api.v2.support import (
    INFER,
    after_lengths,
    ask,
    ask_binary,
    images,
    outputs,
    planes,
    refused,
    tensor,
)
from tests.support.artifacts import write_artifact
from tests.support.images import bomb, photo
from tests.support.server import LiveServer, serving, settings_for
from tests.support.sessions import BrokenSession, gated, replaced_session
from tests.support.waiting import wait_until

RED = planes("red")
VALUES = RED.ravel().tolist()
PNG = photo("red")

WRONG_TENSORS: dict[str, dict[str, Any]] = {
    "another name": {"name": "picture"},
    "another type": {"datatype": "FP32"},
    "no such type": {"datatype": "UINT9"},
    "negative size": {"shape": [-1, 3, 24, 32]},
    "no image": {"shape": [0, 3, 24, 32]},
    "another rank": {"shape": [3, 24, 32]},
    "another size": {"shape": [1, 3, 32, 24]},
    "endless product": {"shape": [1, 3, 24, 10**400]},
    "huge sizes": {"shape": [2**63, 2**63, 2**63, 2**63]},
    "too many axes": {"shape": [1] * 9},
    "no axis": {"shape": []},
    "sizes that are no numbers": {"shape": ["1", 3, 24, 32]},
    "sizes that are no whole numbers": {"shape": [1.0, 3, 24, 32]},
    "too few values": {"data": VALUES[:-1]},
    "too many values": {"data": [*VALUES, 0]},
    "no values": {"data": []},
    "no data": {"data": None},
    "data that is no list": {"data": "AAAA"},
    "a value below 0": {"data": [-1, *VALUES[1:]]},
    "a value above 255": {"data": [256, *VALUES[1:]]},
    "an endless value": {"data": [10**300, *VALUES[1:]]},
    "a fraction": {"data": [0.5, *VALUES[1:]]},
    "a boolean": {"data": [True, *VALUES[1:]]},
    "a text": {"data": ["1", *VALUES[1:]]},
    "null": {"data": [None, *VALUES[1:]]},
    "ragged rows": {"data": [[VALUES], []]},
    "half nested": {"data": [VALUES[:1152], *VALUES[1152:]]},
    "shared memory": {"parameters": {"shared_memory_region": "r"}},
    "data twice": {"parameters": {"binary_data_size": 0}},
    "parameters that are none": {"parameters": [1]},
}


@pytest.mark.parametrize("changes", WRONG_TENSORS.values(), ids=WRONG_TENSORS)
def test_a_wrong_tensor(server: LiveServer, changes: dict[str, Any]) -> None:
    status, _ = refused(ask(server, tensor(RED, **changes)))
    assert status == 400


WRONG_OUTPUTS: dict[str, list[Any]] = {
    "unknown": [{"name": "logits"}],
    "twice": [{"name": "label"}, {"name": "label"}],
    "too many": [{"name": "label"}] * 17,
    "no name": [{}],
    "no object": ["label"],
    "classification of 0": [{"name": "probabilities", "parameters": {"classification": 0}}],
    "classification of a text": [{"name": "probabilities", "parameters": {"classification": "3"}}],
    "classification of labels": [{"name": "label", "parameters": {"classification": 2}}],
    "binary of a text": [{"name": "label", "parameters": {"binary_data": "yes"}}],
    "shared memory": [{"name": "label", "parameters": {"shared_memory_region": "r"}}],
}


@pytest.mark.parametrize("wanted", WRONG_OUTPUTS.values(), ids=WRONG_OUTPUTS)
def test_a_wrong_output(server: LiveServer, wanted: list[Any]) -> None:
    status, _ = refused(ask(server, tensor(RED), outputs=wanted))
    assert status == 400


WRONG_BODIES: dict[str, tuple[bytes, str | None]] = {
    "no JSON": (b"text", None),
    "half a JSON": (b'{"inputs": [', None),
    "an array": (b"[]", None),
    "no inputs": (b"{}", None),
    "two inputs": (json.dumps({"inputs": [tensor(RED)] * 2}).encode(), None),
    "NaN": (b'{"inputs": [{"name": "image", "datatype": "UINT8", "shape": [NaN]}]}', None),
    "Infinity": (b'{"id": Infinity, "inputs": []}', None),
    "a number for an id": (b'{"id": 7, "inputs": []}', None),
    "a lone surrogate": (rb'{"id": "\ud800", "inputs": []}', None),
    "no UTF-8": (b'{"id": "\xff", "inputs": []}', None),
    "deep": (b"[" * 200 + b"]" * 200, None),
    "deeper": (b"[" * 100_000 + b"]" * 100_000, None),
    "length beyond the body": (b"{}", "3"),
    "negative length": (b"{}", "-1"),
    "length that is no number": (b"{}", "two"),
    "length of many digits": (b"{}", "9" * 400),
    "length inside the JSON": (json.dumps({"inputs": [tensor(RED)]}).encode(), "9"),
    "raw tensor of another size": (b"\0" * 2303, "0"),
}


@pytest.mark.parametrize(("body", "length"), WRONG_BODIES.values(), ids=WRONG_BODIES)
def test_a_wrong_body(server: LiveServer, body: bytes, length: str | None) -> None:
    headers = {} if length is None else {"inference-header-content-length": length}
    status, _ = refused(server.client.post(INFER, content=body, headers=headers))
    assert status == 400


WRONG_IMAGES: dict[str, tuple[bytes, dict[str, Any], int]] = {
    "one missing": (after_lengths(PNG), images(2), 400),
    "one too many": (after_lengths(PNG, PNG), images(1, binary_data_size=2 * len(PNG) + 8), 400),
    "a length beyond the data": (b"\xff\xff\xff\xff" + PNG, images(1, binary_data_size=4), 400),
    "a size that is not the data's": (PNG, images(1, binary_data_size=len(PNG) + 1), 400),
    "a negative size": (PNG, images(1, binary_data_size=-1), 400),
    "a size that is a boolean": (b"x", images(1, binary_data_size=True), 400),
    "no images": (b"", images(0), 400),
    "two axes": (after_lengths(PNG, PNG), images(1) | {"shape": [1, 2]}, 400),
    "an empty image": (after_lengths(b""), images(1), 400),
    "no image": (b"text", images(1), 415),
    "a damaged image": (PNG[:40], images(1), 400),
    "a bomb": (bomb(), images(1), 413),
    "base64 that is none": (b"", images(1) | {"data": ["%%%"]}, 400),
    "base64 of something else": (b"", images(1) | {"data": ["AAAA"]}, 415),
    "base64 beyond ASCII": (b"", images(1) | {"data": ["é"]}, 400),
    "a number for base64": (b"", images(1) | {"data": [7]}, 400),
    "too many images": (after_lengths(*[PNG] * 33), images(33), 413),
}


@pytest.mark.parametrize(("data", "asked", "status"), WRONG_IMAGES.values(), ids=WRONG_IMAGES)
def test_wrong_images(server: LiveServer, data: bytes, asked: dict[str, Any], status: int) -> None:
    assert refused(ask_binary(server, data, asked))[0] == status


def test_a_body_or_an_image_that_is_too_large(repository: Path) -> None:
    settings = settings_for(repository, max_body_bytes=1000, max_batch_bytes=20_000)
    with serving(settings) as live:
        assert refused(live.client.post(INFER, content=bytes(20_001)))[0] == 413
        large = after_lengths(bytes(1001))
        assert refused(ask_binary(live, large, images(1)))[0] == 413
        status, text = refused(ask(live, tensor(RED)))
        assert (status, "1000 bytes" in text) == (400, True)


def test_an_empty_body_and_an_encoded_one(server: LiveServer) -> None:
    status, text = refused(server.client.post(INFER))
    assert (status, text) == (400, "The body is empty: send an inference request.")
    encoded = server.client.post(INFER, content=b"x", headers={"content-encoding": "gzip"})
    assert refused(encoded)[0] == 415


@pytest.mark.parametrize("path", ["missing", "colours/versions/1", "colours/versions/2:2", "a%00"])
def test_a_model_that_is_not_there(server: LiveServer, path: str) -> None:
    assert refused(server.client.post(f"/v2/models/{path}/infer", json={}))[0] == 404


@pytest.mark.parametrize("path", ["/v2/models", "/v2/nothing", "/v2/models/colours/x"])
def test_a_route_that_is_not_there(server: LiveServer, path: str) -> None:
    assert refused(server.client.get(path, follow_redirects=False))[0] in {404, 405}


def test_a_method_that_is_not_taken(server: LiveServer) -> None:
    assert refused(server.client.get(INFER))[0] == 405


def test_deadlines_of_header_and_parameter(small_server: LiveServer) -> None:
    with gated(small_server.model()):
        late = small_server.client.post(
            INFER, json={"inputs": [tensor(RED)]}, headers={"x-request-timeout-ms": "50"}
        )
        assert refused(late)[0] == 504
    # in microseconds; reading the request takes longer
    assert refused(ask(small_server, tensor(RED), parameters={"timeout": 1}))[0] == 504
    wrong = ask(small_server, tensor(RED), parameters={"timeout": "1"})
    assert refused(wrong)[0] == 400


def test_a_full_pool(small_server: LiveServer) -> None:
    with ThreadPoolExecutor(3) as clients, gated(small_server.model()) as session:
        requests = [clients.submit(ask, small_server, tensor(RED)) for _ in range(3)]
        wait_until(lambda: small_server.context.pool.in_flight == 3, "all places are taken")
        response = ask(small_server, tensor(RED))
        session.gate.set()
        assert [outputs(request.result(30))["label"] for request in requests] == [["red"]] * 3
    assert refused(response)[0] == 503
    assert int(response.headers["retry-after"]) >= 1


def test_more_images_than_places_are_answered(small_server: LiveServer) -> None:
    data = after_lengths(*[PNG] * 4)
    assert ask_binary(small_server, data, images(4)).is_success
    assert outputs(ask(small_server, tensor(RED)))["label"] == ["red"]


def test_a_bug_is_told_in_the_same_form(
    server: LiveServer, caplog: pytest.LogCaptureFixture
) -> None:
    with replaced_session(server.model(), BrokenSession(RuntimeError("at 0xdeadbeef"))):
        assert refused(ask(server, tensor(RED)))[0] == 500
    caplog.clear()


def test_a_token_is_needed_where_one_is_set(repository: Path, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("0123456789abcdef\n")
    with serving(settings_for(repository, tokens_file=tokens)) as live:
        for response in (
            ask(live, tensor(RED)),
            live.client.get("/v2"),
            live.client.get("/v2/models/colours"),
            live.client.get("/v2/models/stats"),
            live.client.post("/v2/repository/index"),
        ):
            assert refused(response)[0] == 401
            assert response.headers["www-authenticate"].startswith("Bearer")
        assert live.client.get("/v2/health/ready").is_success
        live.client.headers["authorization"] = "Bearer 0123456789abcdef"
        assert outputs(ask(live, tensor(RED)))["label"] == ["red"]
        assert live.client.get("/v2").is_success


def test_a_model_that_failed_to_load(tmp_path: Path) -> None:
    write_artifact(tmp_path)
    (write_artifact(tmp_path, "broken") / "model.onnx").write_bytes(b"damaged")
    with serving(settings_for(tmp_path)) as live:
        document = {"inputs": [tensor(RED)]}
        assert refused(live.client.post("/v2/models/broken/infer", json=document))[0] == 503
        assert refused(live.client.get("/v2/models/broken"))[0] == 503
        ready = live.client.get("/v2/models/broken/ready")
        assert (ready.status_code, ready.json()) == (503, {"name": "broken", "ready": False})
        found = live.client.post("/v2/repository/index", json={}).json()
        assert [(e["name"], e["state"], bool(e["reason"])) for e in found] == [
            ("broken", "UNAVAILABLE", True), ("colours", "READY", False)
        ]  # fmt: skip
        only_ready: httpx.Response = live.client.post("/v2/repository/index", json={"ready": True})
        assert [entry["name"] for entry in only_ready.json()] == ["colours"]
        wrong = live.client.post("/v2/repository/index", json={"ready": "yes"})
        assert refused(wrong)[0] == 400
