"""Several workers behind one port: one answer of all, a crash mended, one reload, one end."""

import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from uvicorn.supervisors.multiprocess import Process

from service.supervisor import ExitOrDeath, let_go_of
from tests.support.artifacts import write_artifact
from tests.support.images import photo
from tests.support.process import ServerProcess, server_process
from tests.support.waiting import wait_until

REQUESTS = 40
_THREADS = re.compile(r"^featherbox_worker_threads (\S+)", re.M)
_ONCE = {"connection": "close"}
_COUNTED = re.compile(
    r'^featherbox_requests_total\{model="colours",route="/classify",status="200"\} (\d+)', re.M
)


def start(repository: Path, *more: str) -> list[str]:
    return ["--default-model=colours", f"--model-repository={repository}", "--workers=2",
            "--log-format=json", *more]  # fmt: skip


def get(process: ServerProcess, path: str) -> httpx.Response:
    """Ask over a new connection, which any of the workers may take."""
    return process.client.get(path, headers=_ONCE)


def classify(process: ServerProcess) -> httpx.Response:
    headers = {**_ONCE, "content-type": "image/png"}
    return process.client.post("/classify", content=photo("red"), headers=headers)


def counted(process: ServerProcess) -> int:
    found = _COUNTED.search(get(process, "/metrics").text)
    return int(found[1]) if found else 0


def threads(process: ServerProcess) -> float:
    """Return the worker threads of all workers that have told of themselves; each has one."""
    found = _THREADS.search(get(process, "/metrics").text)
    return float(found[1]) if found else 0.0


def ready(process: ServerProcess) -> bool:
    """Tell whether two workers are there, and whether both say that they are ready."""
    return (
        len(process.workers()) == 2
        and threads(process) == 2
        and all(m["state"] == "ready" for m in get(process, "/models").json()["models"])
    )


def test_who_waits_hears_of_a_worker_that_has_ended() -> None:
    worker = Process(uvicorn.Config("no.app:app", log_level="critical"), [])
    worker.start()
    try:
        waiting = ExitOrDeath([worker])
        os.kill(worker.pid or 0, signal.SIGKILL)
        assert not waiting.wait(600)  # longer than any test may take
        assert worker.exitcode == -signal.SIGKILL
        waiting.set()
        assert waiting.wait(600)
    finally:
        worker.kill()


def test_who_asks_a_worker_hears_that_it_ends_meanwhile() -> None:
    worker = Process(uvicorn.Config("no.app:app", log_level="critical"), [])
    worker.start()
    let_go_of(worker)
    try:
        os.kill(worker.pid or 0, signal.SIGSTOP)
        answers: list[bool] = []
        asking = threading.Thread(target=lambda: answers.append(worker.ping(600)), daemon=True)
        asking.start()
        os.kill(worker.pid or 0, signal.SIGKILL)
        asking.join(60)
        assert answers == [False]
    finally:
        worker.kill()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_artifact(tmp_path_factory.mktemp("models"), "colours", 1).parents[1]


@pytest.fixture(scope="module")
def process(models: Path) -> Iterator[ServerProcess]:
    """Return a server of two workers."""
    with server_process(*start(models), worker_threads="1") as running:
        wait_until(lambda: ready(running), "both workers are ready", timeout_s=60)
        yield running


def test_whichever_worker_answers_speaks_for_both(process: ServerProcess) -> None:
    before = counted(process)
    for _ in range(REQUESTS):
        assert classify(process).is_success
    # a worker that has not been asked since tells the others a moment later
    wait_until(lambda: counted(process) == before + REQUESTS, "all requests are counted")
    assert {counted(process) for _ in range(10)} == {before + REQUESTS}
    counts = {get(process, "/latency").json()["models"]["colours"]["count"] for _ in range(10)}
    assert len(counts) == 1
    assert counts.pop() >= REQUESTS
    assert {threads(process) for _ in range(10)} == {2}


def test_a_worker_that_is_killed_is_replaced_and_no_count_goes_back(process: ServerProcess) -> None:
    for _ in range(REQUESTS):
        classify(process)
    wait_until(lambda: counted(process) >= REQUESTS, "all requests are counted")
    before, victim = counted(process), process.workers()[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: victim not in process.workers(), "it is gone")
    assert counted(process) >= before
    wait_until(lambda: ready(process), "there are two workers again", timeout_s=60)
    assert counted(process) >= before
    assert all(classify(process).is_success for _ in range(10))


def test_a_hangup_reaches_every_worker(process: ServerProcess, models: Path) -> None:
    write_artifact(models, "colours", 2)
    process.hang_up()

    def versions() -> set[str]:
        return {classify(process).json()["version"] for _ in range(10)}

    wait_until(lambda: versions() == {"2"}, "both serve the new version")


def test_workers_end_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    write_artifact(tmp_path, "colours", 1)
    with server_process(*start(tmp_path), worker_threads="1") as process:
        wait_until(lambda: ready(process), "both workers are ready", timeout_s=60)
        workers = process.workers()
        process.kill()
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), "they end")


def test_sigterm_ends_all_of_them_with_status_0(process: ServerProcess) -> None:
    """Comes last: it ends the server of the other tests."""
    workers = process.workers()
    process.terminate()
    assert process.wait() == 0
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), "they end")
    assert process.records()[-1]["message"] == "all workers stopped"
