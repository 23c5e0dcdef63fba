"""`featherbox serve` as a process: start, log, drain, refuse to start."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.images import encode, photo, scene
from tests.support.process import ROOT, ServerProcess, run_cli, server_process
from tests.support.waiting import wait_until
from tests.support.wire import answer, head


@pytest.fixture(scope="module")
def process(repository: Path) -> Iterator[ServerProcess]:
    """Return a server on the small models, for tests that leave it as it was."""
    with server_process(
        "--default-model", "colours", "--model-repository", str(repository), "--log-format", "json"
    ) as running:
        running.wait_ready()
        yield running


def post(process: ServerProcess, data: bytes, request_id: str, kind: str = "image/png") -> int:
    headers = {"content-type": kind, "x-request-id": request_id}
    return process.client.post("/classify", content=data, headers=headers).status_code


def test_an_answered_request_is_one_line_with_all_its_fields(process: ServerProcess) -> None:
    assert post(process, photo("red"), "good") == 200
    record = process.record_of("good")
    assert (record["level"], record["logger"]) == ("info", "featherbox.access")
    assert record["message"] == "POST /classify 200"
    assert (record["method"], record["path"], record["status"]) == ("POST", "/classify", 200)
    assert record["model"] == "colours"
    assert record["time"].endswith("Z")
    assert 0 < record["timings_ms"]["inference"] < record["timings_ms"]["total"]
    assert record["timings_ms"]["total"] <= record["duration_ms"]
    assert record["receive_ms"] >= 0
    assert "code" not in record


def test_a_refused_request_is_one_line_with_its_code(process: ServerProcess) -> None:
    assert post(process, b"text", "bad") == 415
    record = process.record_of("bad")
    assert (record["status"], record["code"]) == (415, "unsupported_media_type")
    assert "timings_ms" not in record


def test_health_checks_are_not_logged(process: ServerProcess) -> None:
    for path in ("/livez", "/readyz", "/metrics"):
        assert process.client.get(path, headers={"x-request-id": f"quiet{path[1:]}"}).is_success
    assert post(process, photo(), "after-health") == 200
    process.record_of("after-health")
    assert not [r for r in process.records() if str(r.get("request_id")).startswith("quiet")]


def test_hostile_bytes_leave_one_clean_line_each(process: ServerProcess) -> None:
    exif = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x09" + b"\xff" * 20
    hostile = {
        "cut": (encode(scene(), "JPEG")[:-99], "image/jpeg", 400),
        "random": (bytes(range(256)) * 9, "image/png", 415),
        "exif": (photo("red", "JPEG", exif=exif), "image/jpeg", 200),
        "form": (b"--x\r\nno form\r\n", "multipart/form-data; boundary=x", 400),
        "form2": (b"\x00" * 999, "multipart/form-data; boundary=x", 400),
    }
    for name, (data, kind, status) in hostile.items():
        assert post(process, data, name, kind) == status, name
        assert process.record_of(name)["status"] == status
    text = "\n".join(process.lines)
    assert "0x" not in text
    assert "Traceback" not in text
    assert len(process.records()) == len(process.lines)  # every line is JSON
    access = [r for r in process.records() if r.get("request_id") in hostile]
    assert len(access) == len(hostile)


def test_a_path_is_logged_cut_and_escaped(process: ServerProcess) -> None:
    path = "/%1b[31m%0d%0a" + "x" * 5000
    process.client.get(path, headers={"x-request-id": "long-path"})
    record = process.record_of("long-path")
    assert record["path"].startswith("/\x1b[31m\r\n")
    assert len(record["path"]) < 300
    line = next(line for line in process.lines if "long-path" in line)
    assert "\x1b" not in line
    assert len(line) < 1000


def test_the_start_says_what_is_there(process: ServerProcess) -> None:
    messages = [record["message"] for record in process.records()]
    assert any("worker threads" in message for message in messages)
    assert any(message.startswith("model colours:2 ready") for message in messages)
    assert "2 of 2 models ready" in messages


def half_sent(process: ServerProcess, data: bytes) -> socket.socket:
    """Return a connection with all but the end of a request on it, which the server has read."""
    connection = socket.create_connection(("127.0.0.1", process.port), 30)
    # only a server that handles the request asks for its body
    connection.sendall(head(len(data), Expect="100-continue"))
    assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
    connection.sendall(data[:10])
    return connection


def refuses(process: ServerProcess) -> bool:
    try:
        socket.create_connection(("127.0.0.1", process.port), 30).close()
    except ConnectionRefusedError:
        return True
    return False


def test_sigterm_answers_what_was_begun_and_refuses_what_comes_after(repository: Path) -> None:
    with server_process(
        "--default-model=colours", f"--model-repository={repository}", "--log-format=json"
    ) as process:
        process.wait_ready()
        data = photo("blue")
        with half_sent(process, data) as connection:
            process.terminate()
            wait_until(lambda: refuses(process), "new connections are refused")
            connection.sendall(data[10:])
            status, document = answer(connection)
        assert (status, document["predictions"][0]["label"]) == (200, "blue")
        assert process.wait() == 0
        messages = [record["message"] for record in process.records()]
        assert messages[-2:] == ["POST /classify 200", "stopped"]
        assert "Traceback" not in "".join(process.lines)


def test_sigterm_does_not_wait_for_ever(repository: Path) -> None:
    with server_process(
        "--default-model=colours", f"--model-repository={repository}", "--shutdown-timeout-s=1",
        "--body-timeout-s=600",
    ) as process:  # fmt: skip
        process.wait_ready()
        with half_sent(process, photo()):
            process.terminate()
            assert process.wait() == 0


def test_a_model_that_is_not_there_ends_the_start_with_a_clear_message(repository: Path) -> None:
    ended = run_cli("serve", "--default-model", "missing", "--model-repository", str(repository))
    assert ended.returncode == 2
    assert ended.stderr == (
        "featherbox: The model 'missing' is not in the model repository, "
        "which has another, colours.\n"
    )


def test_a_port_that_is_taken_ends_the_start(process: ServerProcess, repository: Path) -> None:
    ended = run_cli(
        "serve", f"--port={process.port}", "--default-model=colours",
        f"--model-repository={repository}",
    )  # fmt: skip
    assert ended.returncode not in (0, 2)
    assert "address already in use" in ended.stderr


def test_the_models_that_ship_answer_with_the_defaults() -> None:
    cat = (ROOT / "tests/data/cat.jpg").read_bytes()
    with server_process("--log-format=json") as process:
        process.wait_ready()
        body = process.client.post("/classify", files={"image": ("cat.jpg", cat)}).json()
        assert body["model"] == "squeezenet1_1-int8"
        assert "cat" in body["predictions"][0]["label"]
        assert len(body["predictions"]) == 5
