"""A server as a process of its own that is told to stop, to reload, gets stuck or has no disk."""

import shutil
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.reliability.files.graphs import endless_on_blue
from service.engine.watchdog import EXIT_STUCK
from tests.support.artifacts import write_artifact
from tests.support.images import encode, photo, scene
from tests.support.process import ServerProcess, server_process
from tests.support.waiting import wait_until
from tests.support.wire import answer, head

# A shell that lets no file grow: what a full disk does, everywhere.
NO_ROOM = ("sh", "-c", 'ulimit -f 0; exec "$@"', "sh")


def arguments(repository: Path, *more: str) -> list[str]:
    return [
        "--default-model=colours",
        f"--model-repository={repository}",
        "--log-format=json",
        *more,
    ]


def connect(process: ServerProcess, sent: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", process.port), 30)
    connection.sendall(sent)
    return connection


def messages(process: ServerProcess) -> list[str]:
    return [record["message"] for record in process.records()]


def test_a_hangup_takes_over_what_is_new(tmp_path: Path) -> None:
    write_artifact(tmp_path, "colours", 1)
    with server_process(*arguments(tmp_path)) as process:
        process.wait_ready()
        write_artifact(tmp_path, "colours", 2)
        process.hang_up()
        wait_until(
            lambda: process.client.get("/models/colours").json()["version"] == "2",
            "the new version serves",
        )
        shutil.rmtree(tmp_path / "colours")
        process.hang_up()
        wait_until(
            lambda: process.client.get("/readyz").status_code == 503, "the model is unloaded"
        )
        process.terminate()
        assert process.wait() == 0


def test_sigterm_finishes_what_was_accepted_beside_half_sent_and_silent_clients(
    repository: Path,
) -> None:
    data = photo("blue")
    request = head(len(data)) + data
    with (
        server_process(*arguments(repository, "--shutdown-timeout-s=1")) as process,
        ExitStack() as open_,
    ):
        process.wait_ready()

        def client(sent: bytes) -> socket.socket:
            return open_.enter_context(connect(process, sent))

        silent = [client(b"") for _ in range(5)]
        half_heads = [client(request[:20]) for _ in range(5)]
        half_bodies = [client(request[:-10]) for _ in range(5)]
        accepted = client(head(len(data), Expect="100-continue"))
        assert accepted.recv(100).startswith(b"HTTP/1.1 100 ")
        process.terminate()
        accepted.sendall(data)
        status, document = answer(accepted)
        assert (status, document["predictions"][0]["label"]) == (200, "blue")
        assert [answer(one)[1]["code"] for one in half_bodies] == ["not_ready"] * 5
        assert [one.recv(100) for one in (*silent, *half_heads)] == [b""] * 10
        assert process.wait() == 0
        assert messages(process)[-1] == "stopped"
        assert "Traceback" not in "".join(process.lines)


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository whose model never comes back from a blue picture."""
    folder = tmp_path_factory.mktemp("endless")
    write_artifact(folder, graph=endless_on_blue())
    return folder


def get_stuck(process: ServerProcess) -> socket.socket:
    """Send a picture that the model never comes back from; return the connection."""
    process.wait_ready()
    data = photo("blue")
    return connect(process, head(len(data)) + data)


def test_a_stuck_thread_ends_the_process_with_its_own_status(endless: Path) -> None:
    with server_process(*arguments(endless, "--watchdog-s=0.5")) as process, get_stuck(process):
        assert process.wait() == EXIT_STUCK
        last = process.records()[-1]
    assert (last["level"], last["logger"]) == ("critical", "featherbox.watchdog")
    assert last["message"].startswith("A worker thread is stuck for ")


def test_sigterm_does_not_wait_for_a_stuck_thread(endless: Path) -> None:
    limits = ("--watchdog-s=0", "--shutdown-timeout-s=0", "--worker-threads=1")
    with server_process(*arguments(endless, *limits)) as process, get_stuck(process):
        wait_until(
            lambda: "featherbox_in_flight_images 1.0" in process.client.get("/metrics").text,
            "the thread is stuck",
        )
        process.terminate()
        assert process.wait() == 0
        assert "a worker thread is stuck and is left behind" in messages(process)


def test_neither_a_full_disk_nor_a_missing_temporary_folder_matters(
    repository: Path, tmp_path: Path
) -> None:
    missing = str(tmp_path / "missing")
    large = encode(scene((1500, 1200)), "BMP")  # 5.4 MB: a form parser would put it on disk
    with server_process(
        *arguments(repository), prefix=NO_ROOM, TMPDIR=missing, HOME=missing
    ) as process:
        process.wait_ready()
        post = process.client.post
        assert post("/classify", files={"image": ("a.bmp", large)}).is_success
        assert post("/classify", content=large, headers={"content-type": "image/bmp"}).is_success
        several = [("image", (f"{i}.bmp", large)) for i in range(3)]
        batch = post("/classify/batch", files=several).json()
        assert all("predictions" in result for result in batch["results"])
        assert process.client.get("/metrics").is_success
        process.hang_up()
        process.terminate()
        assert process.wait() == 0
