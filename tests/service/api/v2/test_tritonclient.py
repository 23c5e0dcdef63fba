"""Triton's own Python client over real HTTP: every call of it that has a meaning here."""

from collections.abc import Iterator

import numpy as np
import pytest
from google.protobuf import json_format
from tritonclient import http as triton
from tritonclient.utils import InferenceServerException

from tests.service.api.v2.support import planes
from tests.support.images import photo
from tests.support.server import LiveServer
from tests.support.triton_schema import SCHEMA

Output = triton.InferRequestedOutput


@pytest.fixture
def client(server: LiveServer) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(server.url.removeprefix("http://")) as found:
        yield found


def tensor_input(*colours: str, binary: bool = True) -> triton.InferInput:
    values = planes(*colours)
    found = triton.InferInput("image", list(values.shape), "UINT8")
    found.set_data_from_numpy(values, binary_data=binary)
    return found


def image_input(*files: bytes) -> triton.InferInput:
    found = triton.InferInput("image", [len(files)], "BYTES")
    found.set_data_from_numpy(np.array(files, np.object_))
    return found


def test_health_and_metadata(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("colours")
    assert client.is_model_ready("colours", "2")
    assert not client.is_model_ready("colours", "1"), "the highest version serves"
    assert not client.is_model_ready("missing")
    assert client.get_server_metadata()["name"] == "featherbox"
    assert client.get_model_metadata("colours", "2")["inputs"][0]["datatype"] == "UINT8"
    assert client.get_model_config("colours")["input"][0]["dims"] == [3, 24, 32]
    config = client.get_model_config("colours")
    json_format.ParseDict(config, SCHEMA.ModelConfig())  # refuses what is not in Triton's schema
    index = client.get_model_repository_index()
    assert {entry["name"]: entry["state"] for entry in index}["colours"] == "READY"


@pytest.mark.parametrize("sent_binary", [True, False], ids=["binary in", "json in"])
@pytest.mark.parametrize("answered_binary", [True, False], ids=["binary out", "json out"])
def test_tensors_both_ways(
    client: triton.InferenceServerClient, sent_binary: bool, answered_binary: bool
) -> None:
    result = client.infer(
        "colours",
        [tensor_input("blue", "red", binary=sent_binary)],
        outputs=[
            Output("label", binary_data=answered_binary),
            Output("probabilities", binary_data=answered_binary),
            Output("index", binary_data=answered_binary),
        ],
        request_id="a-7",
    )
    assert result.get_response()["id"] == "a-7"
    assert [output["name"] for output in result.get_response()["outputs"]] == [
        "label", "probabilities", "index",
    ]  # fmt: skip
    probabilities = result.as_numpy("probabilities")
    assert probabilities.dtype == np.float32
    assert probabilities.shape == (2, 3)
    assert probabilities.sum(axis=1) == pytest.approx([1, 1])
    assert result.as_numpy("index").tolist() == probabilities.argmax(axis=1).tolist() == [2, 0]
    labels = result.as_numpy("label").tolist()
    assert labels == ([b"blue", b"red"] if answered_binary else ["blue", "red"])


def test_all_outputs_without_naming_them(client: triton.InferenceServerClient) -> None:
    result = client.infer("colours", [tensor_input("green")], model_version="2")
    assert result.as_numpy("probabilities").argmax() == 1
    assert result.as_numpy("label").tolist() == [b"green"]
    assert result.as_numpy("index").tolist() == [1]


def test_classification(client: triton.InferenceServerClient) -> None:
    wanted = Output("probabilities", class_count=2)
    answer = client.infer("colours", [tensor_input("blue", "green")], outputs=[wanted])
    found = answer.as_numpy("probabilities")
    assert found.shape == (2, 2)
    for (first, second), best in zip(found, (b"2:blue", b"1:green"), strict=True):
        value, _, rest = first.partition(b":")
        assert rest == best
        assert float(value) > float(second.partition(b":")[0])


def test_encoded_images(client: triton.InferenceServerClient) -> None:
    files = [photo("green"), photo("red", "JPEG"), photo("blue", "WEBP")]
    answer = client.infer("colours", [image_input(*files)])
    assert answer.as_numpy("label").tolist() == [b"green", b"red", b"blue"]


def test_requests_in_parallel(server: LiveServer) -> None:
    url = server.url.removeprefix("http://")
    with triton.InferenceServerClient(url, concurrency=4) as client:
        colours = ["red", "green", "blue", "green"] * 3
        waiting = [client.async_infer("colours", [tensor_input(colour)]) for colour in colours]
        answers = [request.get_result().as_numpy("label")[0].decode() for request in waiting]
    assert answers == colours


def test_statistics(client: triton.InferenceServerClient) -> None:
    client.infer("another", [image_input(photo())])
    (before,) = client.get_inference_statistics("another")["model_stats"]
    client.infer("another", [tensor_input("red", "blue")])
    (after,) = client.get_inference_statistics("another", "1")["model_stats"]
    assert after["inference_count"] - before["inference_count"] == 2
    assert after["last_inference"] >= before["last_inference"] > 0
    for stage in ("success", "queue", "compute_input", "compute_infer", "compute_output"):
        assert after["inference_stats"][stage]["count"] == after["inference_count"]
    assert after["inference_stats"]["compute_infer"]["ns"] > 0
    everything = client.get_inference_statistics()["model_stats"]
    assert {entry["name"] for entry in everything} == {"another", "colours"}


def test_errors_reach_the_caller_as_such(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="no such model") as missing:
        client.infer("missing", [tensor_input("red")])
    assert missing.value.status() == "404"
    with pytest.raises(InferenceServerException, match="No request loads or unloads") as load:
        client.load_model("colours")
    assert load.value.status() == "403"
    with pytest.raises(InferenceServerException, match="No request loads or unloads"):
        client.unload_model("colours")
    with pytest.raises(InferenceServerException, match="There is no such route"):
        client.get_trace_settings()
    with pytest.raises(InferenceServerException, match="Encoded bodies"):
        client.infer("colours", [tensor_input("red")], request_compression_algorithm="gzip")
