"""GET /livez and GET /readyz: before, while and after the models can run."""

import logging
import threading
from pathlib import Path

import httpx
import pytest

from service.api import health
from service.api.schemas import ReadyBody
from service.engine.artifact import LoadedModel, load_artifact
from service.engine.manifest import MODEL_FILE
from service.engine.session import SessionOptions
from service.errors import ModelFailed, NotReady
from tests.support.artifacts import write_artifact
from tests.support.images import photo
from tests.support.server import LiveServer, serving, settings_for
from tests.support.sessions import BrokenSession, gated, replaced_session
from tests.support.waiting import wait_until


def ready(server: LiveServer) -> tuple[int, dict[str, str]]:
    response = server.client.get("/readyz")
    body = ReadyBody.model_validate_json(response.content)
    assert body.ready == response.is_success
    return response.status_code, body.models


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def test_the_process_is_alive(server: LiveServer) -> None:
    assert server.client.get("/livez").json() == {"live": True}


def test_a_service_whose_model_runs_is_ready(server: LiveServer) -> None:
    assert ready(server) == (200, {"colours": "ready"})


def test_before_the_models_are_loaded_the_service_is_alive_and_not_ready(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()

    def load_later(folder: Path, options: SessionOptions) -> LoadedModel:
        assert gate.wait(30)
        return load_artifact(folder, options)

    monkeypatch.setattr("service.engine.served.load_artifact", load_later)
    with serving(settings_for(repository), wait_ready=False) as live:
        try:
            assert live.client.get("/livez").is_success
            assert ready(live) == (503, {"colours": "loading"})
            response = live.classify(photo())
            assert code(response) == (503, "not_ready")
            assert int(response.headers["retry-after"]) >= 1
            assert code(live.batch(photo())) == (503, "not_ready")
            assert live.client.get("/models/colours").json()["state"] == "loading"
        finally:
            gate.set()
        wait_until(lambda: live.client.get("/readyz").is_success, "the service is ready")
        assert live.classify(photo()).is_success


def test_being_not_ready_is_logged_and_being_ready_is_not(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert ready(server)[0] == 200
    monkeypatch.setattr(health, "_PROBE_TIMEOUT_S", 0.05)
    with gated(server.model()):
        assert ready(server)[0] == 503

    def logged() -> dict[str, int]:
        lines = [record for record in caplog.records if record.name == "featherbox.access"]
        return {line.getMessage(): line.levelno for line in lines}

    wait_until(lambda: "GET /readyz 503" in logged(), "the requests are logged")
    assert logged() == {"GET /readyz 200": logging.DEBUG, "GET /readyz 503": logging.INFO}
    wait_until(lambda: ready(server)[0] == 200, "the service is ready again")


def test_a_service_that_has_stopped_takes_no_more_work(repository: Path) -> None:
    with serving(settings_for(repository)) as live:
        pool = live.context.pool
    with pytest.raises(NotReady):
        pool.submit(lambda _: None, deadline=float("inf"))


def test_a_model_that_is_stuck_makes_the_service_not_ready(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_PROBE_TIMEOUT_S", 0.05)
    with gated(server.model()):
        assert ready(server) == (503, {"colours": "stuck"})
        assert server.client.get("/livez").is_success
    wait_until(lambda: ready(server)[0] == 200, "the service is ready again")


def test_many_who_ask_while_a_model_is_stuck_are_answered_by_one_probe(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_PROBE_TIMEOUT_S", 0.05)
    with gated(server.model()) as session:
        for _ in range(20):
            assert ready(server) == (503, {"colours": "stuck"})
        assert session.runs == 1
    wait_until(lambda: ready(server)[0] == 200, "the service is ready again")


def test_threads_that_are_all_stuck_make_the_service_not_ready(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_LONGEST_JOB_S", 0.01)
    gate = threading.Event()

    def work(_queued_ms: float) -> None:
        assert gate.wait(30)

    pool = server.context.pool
    one = pool.submit(work, float("inf"))
    wait_until(lambda: bool(pool.running_s()), "one thread is busy")
    assert ready(server)[0] == 200
    other = pool.submit(work, float("inf"))
    wait_until(lambda: ready(server) == (503, {"colours": "stuck"}), "all threads are stuck")
    gate.set()
    one.result(30)
    other.result(30)
    wait_until(lambda: ready(server)[0] == 200, "the service is ready again")


def test_a_model_that_fails_now_makes_the_service_not_ready(server: LiveServer) -> None:
    broken = BrokenSession(ModelFailed("The model failed while it was run."))
    with replaced_session(server.model(), broken):
        assert ready(server) == (503, {"colours": "failed"})
        assert code(server.classify(photo())) == (503, "model_failed")
        assert server.classify(photo("red"), model="another").is_success
    assert ready(server)[0] == 200


def write_failing(folder: Path, name: str) -> None:
    (write_artifact(folder, name) / MODEL_FILE).write_bytes(b"damaged")


def test_a_required_model_that_failed_to_load_keeps_the_service_from_ready(
    tmp_path: Path,
) -> None:
    write_artifact(tmp_path, "colours")
    write_failing(tmp_path, "broken")
    settings = settings_for(tmp_path, required_models=["colours", "broken"])
    with serving(settings, wait_ready=False) as live:
        wait_until(lambda: live.model("colours").loaded is not None, "colours is loaded")
        assert ready(live) == (503, {"colours": "ready", "broken": "failed"})
        assert live.classify(photo("red")).is_success


def test_a_model_that_is_not_required_may_fail(tmp_path: Path) -> None:
    write_artifact(tmp_path, "colours")
    write_failing(tmp_path, "broken")
    with serving(settings_for(tmp_path)) as live:
        assert ready(live) == (200, {"colours": "ready"})
        assert code(live.classify(photo(), model="broken")) == (503, "model_failed")
