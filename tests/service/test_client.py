"""The client, against a real server."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.client import Answer, Client
from service.errors import RequestFailed, ServerUnreachable
from tests.contracts.test_imports import loaded_by
from tests.support.images import photo
from tests.support.server import LiveServer
from tests.support.sessions import GatedSession, gated
from tests.support.waiting import wait_until

SERVER_SIDE = {"fastapi", "starlette", "uvicorn", "onnxruntime", "numpy", "PIL", "pydantic"}
WHAT_IT_LOADS = """
import json, sys
import service.client
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.fixture
def client(server: LiveServer) -> Iterator[Client]:
    with Client(server.url) as asking:
        yield asking


def test_bytes_and_files_are_classified(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "blue.png"
    path.write_bytes(photo("blue"))
    for image, label in ((photo("red"), "red"), (path, "blue"), (str(path), "blue")):
        answer = client.classify(image, top_k=2)
        assert answer.predictions[0].label == label
        assert len(answer.predictions) == 2
        assert answer.predictions[0].probability > 0.9
        assert (answer.model, answer.version) == ("colours", "2")
        assert answer.timings_ms["total"] > 0
        assert answer.request_id


def test_a_model_is_asked_for_by_name(client: Client) -> None:
    assert client.classify(photo("red"), model="another:1").model == "another"


def test_a_batch_has_an_answer_or_an_error_in_each_place(client: Client) -> None:
    red, bad, blue = client.classify_batch([photo("red"), b"hello", photo("blue")], top_k=1)
    assert isinstance(red, Answer)
    assert isinstance(blue, Answer)
    assert [red.predictions[0].label, blue.predictions[0].label] == ["red", "blue"]
    assert isinstance(bad, RequestFailed)
    assert bad.answered_code == "unsupported_media_type"
    assert bad.request_id == red.request_id


def test_an_error_has_the_servers_code_and_words(client: Client) -> None:
    with pytest.raises(RequestFailed) as caught:
        client.classify(b"hello")
    error = caught.value
    assert (error.answered_status, error.answered_code) == (415, "unsupported_media_type")
    assert "accepted format" in error.detail
    assert error.request_id
    with pytest.raises(RequestFailed, match="no such model"):
        client.classify(photo("red"), model="a/../b")


def test_the_other_documents_can_be_had(client: Client) -> None:
    client.classify(photo("red"))
    assert client.ready()
    assert client.models()["default"] == "colours"
    assert client.model("another")["precision"] == "int8"
    assert client.latency()["models"]["colours"]["count"] >= 1


@contextmanager
def all_places_taken(server: LiveServer) -> Iterator[GatedSession]:
    """Fill the one thread and the two waiting places."""
    with ThreadPoolExecutor(3) as others, gated(server.model()) as session:
        requests = [others.submit(server.classify, photo("blue")) for _ in range(3)]
        wait_until(lambda: server.context.pool.in_flight == 3, "all places are taken")
        yield session
        session.gate.set()
        for request in requests:
            assert request.result(30).is_success


def test_a_shed_request_is_sent_again_when_the_server_said(small_server: LiveServer) -> None:
    def times_shed() -> bool:
        return 'code="overloaded"' in small_server.client.get("/metrics").text

    with (
        Client(small_server.url) as patient,
        ThreadPoolExecutor(1) as asking,
        all_places_taken(small_server) as session,
    ):
        answer = asking.submit(patient.classify, photo("red"))
        wait_until(times_shed, "it has been shed")
        session.gate.set()
        assert answer.result(30).predictions[0].label == "red"


def test_without_retries_a_shed_request_fails(small_server: LiveServer) -> None:
    with Client(small_server.url, retries=0) as hasty, all_places_taken(small_server):
        with pytest.raises(RequestFailed) as caught:
            hasty.classify(photo("red"))
        assert (caught.value.answered_status, caught.value.answered_code) == (503, "overloaded")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://127.0.0.1:9/sub/"])
def test_a_server_that_is_not_there_is_told(url: str) -> None:
    with Client(url, retries=0) as client:
        for ask in (client.ready, client.models, lambda: client.classify(b"x")):
            with pytest.raises(ServerUnreachable, match="No answer"):
                ask()


@pytest.mark.parametrize("url", ["", "127.0.0.1:8000", "ftp://127.0.0.1"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ServerUnreachable, match="http://"):
        Client(url)


def test_it_loads_nothing_of_the_server() -> None:
    loaded = loaded_by(WHAT_IT_LOADS)
    assert "urllib3" in loaded
    assert loaded.isdisjoint(SERVER_SIDE)
