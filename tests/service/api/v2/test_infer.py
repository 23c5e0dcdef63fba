"""POST infer: every way to send a tensor or an image, every form of the answer."""

import base64
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest

from service.engine.pipeline import STAGES
from tests.service.api.v2.support import (
    INFER,
    after_lengths,
    ask,
    ask_binary,
    images,
    outputs,
    planes,
    tensor,
)
from tests.support.images import photo
from tests.support.server import LiveServer
from tests.support.sessions import gated
from tests.support.waiting import wait_until


def test_a_json_tensor_flat_and_nested(server: LiveServer) -> None:
    values = planes("blue", "green")
    flat = outputs(ask(server, tensor(values)))
    assert flat["label"] == ["blue", "green"]
    assert flat["index"] == [2, 1]
    assert outputs(ask(server, tensor(values, data=values.tolist()))) == flat


def test_the_same_image_gives_the_same_answer_however_it_is_sent(server: LiveServer) -> None:
    values = planes("green")
    sent = [
        ask(server, tensor(values)),
        ask_binary(server, values.tobytes(), tensor(values, data=None)),
    ]
    raw = server.client.post(
        INFER, content=values.tobytes(), headers={"inference-header-content-length": "0"}
    )
    assert outputs(sent[0]) == outputs(sent[1])
    length = int(raw.headers["inference-header-content-length"])
    row = np.frombuffer(raw.content[length:][:12], "<f4")
    assert row.tolist() == pytest.approx(outputs(sent[0])["probabilities"])


def test_what_is_not_sent_is_not_in_the_answer(server: LiveServer) -> None:
    response = ask(server, tensor(planes("red")), outputs=[{"name": "label"}])
    assert response.json() == {
        "model_name": "colours",
        "model_version": "2",
        "outputs": [{"name": "label", "datatype": "BYTES", "shape": [1], "data": ["red"]}],
    }


def test_a_version_can_be_named(server: LiveServer) -> None:
    document = {"inputs": [tensor(planes("red"))], "id": "x"}
    response = server.client.post("/v2/models/colours/versions/2/infer", json=document)
    assert outputs(response)["label"] == ["red"]
    assert response.json()["id"] == "x"


def test_binary_and_json_outputs_side_by_side(server: LiveServer) -> None:
    response = ask(
        server,
        tensor(planes("green", "red")),
        parameters={"binary_data_output": True},
        outputs=[
            {"name": "index"},
            {"name": "label", "parameters": {"binary_data": False}},
            {"name": "probabilities", "parameters": {"classification": 9}},
        ],
    )
    assert response.headers["content-type"] == "application/octet-stream"
    length = int(response.headers["inference-header-content-length"])
    document, rest = response.content[:length], response.content[length:]
    index, label, best = type(response)(200, content=document).json()["outputs"]
    assert label["data"] == ["green", "red"]
    assert np.frombuffer(rest[:16], "<i8").tolist() == [1, 0]
    assert index["parameters"] == {"binary_data_size": 16}
    assert best["shape"] == [2, 3], "no more labels than there are classes"
    assert len(rest) == 16 + best["parameters"]["binary_data_size"]


@pytest.mark.parametrize("shape", [[3], [3, 1]])
def test_encoded_images_after_their_lengths(server: LiveServer, shape: list[int]) -> None:
    data = after_lengths(photo("blue"), photo("red", "JPEG"), photo("green", "BMP"))
    asked = images(3, binary_data_size=len(data)) | {"shape": shape}
    assert outputs(ask_binary(server, data, asked))["label"] == ["blue", "red", "green"]


@pytest.mark.parametrize("data", [photo("blue"), after_lengths(photo("blue"))])
def test_one_image_may_be_all_that_follows(server: LiveServer, data: bytes) -> None:
    assert outputs(ask_binary(server, data, images(1)))["label"] == ["blue"]


def test_encoded_images_as_base64(server: LiveServer) -> None:
    data = [base64.b64encode(photo(colour)).decode() for colour in ("red", "green")]
    assert outputs(ask(server, images(2) | {"data": data}))["label"] == ["red", "green"]


def test_images_are_answered_as_by_classify(server: LiveServer) -> None:
    data = photo("green", "JPEG")
    classified = server.classify(data).json()["predictions"]
    probabilities = outputs(ask_binary(server, data, images(1)))["probabilities"]
    for prediction in classified:
        assert prediction["probability"] == pytest.approx(
            probabilities[prediction["index"]], abs=1e-6
        )


def test_every_image_is_timed_like_any_other(server: LiveServer) -> None:
    before = server.client.get("/latency").json()["models"]["colours"]["count"]
    ask_binary(server, after_lengths(photo("red"), photo("blue")), images(2))
    ask(server, tensor(planes("red")))
    latency = server.client.get("/latency").json()["models"]["colours"]
    assert latency["count"] == before + 3
    assert set(STAGES) <= latency.keys()
    text = server.client.get("/metrics").text
    route = 'route="/v2/models/{name}/infer",status="200"'
    assert f'featherbox_requests_total{{model="colours",{route}}}' in text


def test_images_of_one_request_are_worked_on_side_by_side(server: LiveServer) -> None:
    data = after_lengths(photo("red"), photo("blue"))
    with ThreadPoolExecutor(1) as clients, gated(server.model()) as session:
        request = clients.submit(ask_binary, server, data, images(2))
        session.wait_for_runs(2)
        session.gate.set()
        assert outputs(request.result(30))["label"] == ["red", "blue"]


@pytest.mark.parametrize("count", [1, 4])
def test_work_whose_client_has_left_is_dropped_and_counted(
    small_server: LiveServer, count: int
) -> None:
    route = 'route="/v2/models/{name}/infer",status="499"'
    left = f'featherbox_requests_total{{model="colours",{route}}} 2.0'
    values = planes(*["red"] * count)
    document = {"inputs": [tensor(values)]}
    with gated(small_server.model()) as session:
        for _ in range(2):  # one in work, one that waits
            client = httpx.Client(base_url=small_server.url)
            with client, pytest.raises(httpx.ReadTimeout):
                client.post(INFER, json=document, timeout=0.2)
        wait_until(lambda: left in small_server.client.get("/metrics").text, "they are counted")
        assert small_server.context.pool.in_flight == 1
        session.gate.set()
        wait_until(lambda: small_server.context.pool.in_flight == 0, "all places are free")
    assert session.runs == 1


def test_a_bad_image_is_the_error_of_its_request_and_the_others_are_dropped(
    small_server: LiveServer,
) -> None:
    with ThreadPoolExecutor(2) as clients, gated(small_server.model()) as session:
        first = clients.submit(small_server.classify, photo("red"))
        session.wait_for_runs(1)
        data = after_lengths(b"no image", photo("blue"))
        request = clients.submit(ask_binary, small_server, data, images(2))
        wait_until(lambda: small_server.context.pool.in_flight == 2, "its parsing waits")
        session.gate.set()
        response = request.result(30)
        assert first.result(30).is_success
    assert response.status_code == 415
    wait_until(lambda: small_server.context.pool.in_flight == 0, "all places are free")
