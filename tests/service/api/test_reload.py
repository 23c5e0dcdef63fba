"""New, bad and removed versions over HTTP, while requests are answered."""

import shutil
import threading
from functools import partial
from pathlib import Path

import pytest

from service.api.model_schemas import ModelBody
from service.engine import served
from service.engine.manifest import SelfTest
from tests.support.artifacts import write_artifact
from tests.support.images import photo
from tests.support.server import LiveServer, serving, settings_for
from tests.support.sessions import FlakySession, gated, replaced_session
from tests.support.waiting import wait_until

WRONG = SelfTest(index=1, label="green", probability=0.9, tolerance=0.1)
ADMIN = "admin-token-0123456789"
SWAPS = 12


def publish(repository: Path, version: int, name: str = "colours") -> None:
    """Write a version elsewhere and move it to its place, as the exporter does."""
    written = write_artifact(repository / ".unpublished", name, version)
    (repository / name).mkdir(exist_ok=True)
    written.rename(repository / name / str(version))


def reload(live: LiveServer) -> None:
    live.context.keeper.reload().result(30)


def model(live: LiveServer, name: str = "colours") -> ModelBody:
    return ModelBody.model_validate_json(live.client.get(f"/models/{name}").content)


def version_of_answer(live: LiveServer) -> str:
    version: str = live.classify(photo("red")).json()["version"]
    return version


def test_no_request_fails_while_versions_are_swapped(tmp_path: Path) -> None:
    write_artifact(tmp_path, "colours", 1)
    seen: list[tuple[int, str, str]] = []
    with serving(settings_for(tmp_path)) as live:
        done = threading.Event()

        def ask() -> None:
            while not done.is_set():
                response = live.classify(photo("blue"))
                document = response.json()
                label = document["predictions"][0]["label"] if response.is_success else ""
                seen.append((response.status_code, label, document.get("version", "")))

        def answered_by(version: int) -> bool:
            return any(found == str(version) for *_, found in seen[-20:])

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        for version in range(2, SWAPS + 1):
            publish(tmp_path, version)
            shutil.rmtree(tmp_path / "colours" / str(version - 1))
            reload(live)
            wait_until(partial(answered_by, version), "the new version answers")
        done.set()
        for thread in threads:
            thread.join()
    assert {(status, label) for status, label, _ in seen} == {(200, "blue")}
    assert {version for *_, version in seen} == {str(v) for v in range(1, SWAPS + 1)}


def test_a_request_in_work_finishes_on_the_version_it_began_with(tmp_path: Path) -> None:
    write_artifact(tmp_path, "colours", 1)
    with serving(settings_for(tmp_path)) as live:
        answers: list[str] = []
        asking = threading.Thread(target=lambda: answers.append(version_of_answer(live)))
        with gated(live.model()) as session:
            asking.start()
            session.wait_for_runs(1)
            publish(tmp_path, 2)
            reload(live)
            assert version_of_answer(live) == "2"
            session.gate.set()
            asking.join(30)
    assert answers == ["1"]


def test_a_bad_version_is_named_and_the_old_one_serves(tmp_path: Path) -> None:
    write_artifact(tmp_path, "colours", 1)
    with serving(settings_for(tmp_path)) as live:
        write_artifact(tmp_path, "colours", 2, selftest=WRONG)
        reload(live)
        shown = model(live)
        assert (shown.version, shown.state) == ("1", "ready")
        assert [(r.version, "Expected 'green'" in r.reason) for r in shown.refused] == [("2", True)]
        assert version_of_answer(live) == "1"
        assert live.client.get("/readyz").is_success
        assert live.classify(photo(), model="colours:2").status_code == 404
        metrics = live.client.get("/metrics").text
    assert 'featherbox_model_refused_versions{model="colours"} 1.0' in metrics


def test_the_metrics_follow_what_serves(tmp_path: Path) -> None:
    write_artifact(tmp_path, "colours", 1)
    write_artifact(tmp_path, "another", 1)
    with serving(settings_for(tmp_path)) as live:
        publish(tmp_path, 2)
        shutil.rmtree(tmp_path / "another")
        reload(live)
        text = live.client.get("/metrics").text
        names = set(live.client.get("/latency").json()["models"])
    infos = [line for line in text.splitlines() if line.startswith("featherbox_model_info{")]
    assert len(infos) == 1
    assert 'version="2"' in infos[0]
    assert names == {"colours"}


def test_a_removed_model_is_not_found_and_the_service_says_that_it_is_not_ready(
    tmp_path: Path,
) -> None:
    write_artifact(tmp_path, "colours", 1)
    with serving(settings_for(tmp_path)) as live:
        shutil.rmtree(tmp_path / "colours")
        reload(live)
        response = live.classify(photo())
        assert (response.status_code, response.json()["code"]) == (404, "model_not_found")
        ready = live.client.get("/readyz")
        assert (ready.status_code, ready.json()["models"]) == (503, {"colours": "removed"})
        publish(tmp_path, 3)
        reload(live)
        assert live.client.get("/readyz").is_success
        assert version_of_answer(live) == "3"


def test_polling_finds_a_new_version_by_itself(tmp_path: Path) -> None:
    write_artifact(tmp_path, "colours", 1)
    with serving(settings_for(tmp_path, model_poll_s=0.02)) as live:
        publish(tmp_path, 2)
        wait_until(lambda: version_of_answer(live) == "2", "the new version serves")


def test_the_operator_reloads_over_http_and_gets_the_list(tmp_path: Path) -> None:
    repository = tmp_path / "models"
    write_artifact(repository, "colours", 1)
    token = tmp_path / "admin"
    token.write_text(ADMIN)
    with serving(settings_for(repository, admin_token_file=token)) as live:
        publish(repository, 2)
        assert live.client.post("/models/reload").status_code == 401
        assert version_of_answer(live) == "1"
        headers = {"authorization": f"Bearer {ADMIN}"}
        response = live.client.post("/models/reload", headers=headers)
        assert [entry["version"] for entry in response.json()["models"]] == ["2"]
        assert version_of_answer(live) == "2"


def test_without_an_admin_token_nobody_reloads(server: LiveServer) -> None:
    response = server.client.post("/models/reload")
    assert (response.status_code, response.json()["code"]) == (403, "forbidden")
    assert "FEATHERBOX_ADMIN_TOKEN_FILE" in response.json()["detail"]


def status(live: LiveServer, name: str = "colours") -> int:
    return live.classify(photo("red"), model=name).status_code


def test_a_model_that_keeps_failing_is_set_aside_and_comes_back_when_it_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(served, "_FIRST_RETRY_S", 0.01)
    for name in ("colours", "another"):
        write_artifact(tmp_path, name, 1)
    with serving(settings_for(tmp_path, quarantine_after=3)) as live:
        sick = FlakySession(live.model().require().session)
        with replaced_session(live.model(), sick):
            sick.failing = True
            assert [status(live) for _ in range(3)] == [503] * 3
            wait_until(lambda: model(live).state == "failed", "it is set aside")
            assert "tried again" in (model(live).reason or "")
            answer = live.classify(photo("red"))
            assert (answer.status_code, answer.json()["code"]) == (503, "model_failed")
            assert live.client.get("/readyz").json()["models"] == {"colours": "failed"}
            assert status(live, "another") == 200
            wait_until(lambda: live.model().retry_delay_s > 0.02, "it is retried ever later")
            sick.failing = False
            wait_until(lambda: status(live) == 200, "it answers again")
            assert (model(live).state, model(live).reason) == ("ready", None)
    assert any("answers again" in record.message for record in caplog.records)


def test_failures_between_answers_set_nothing_aside(tmp_path: Path) -> None:
    write_artifact(tmp_path, "colours", 1)
    with serving(settings_for(tmp_path, quarantine_after=3)) as live:
        sick = FlakySession(live.model().require().session)
        with replaced_session(live.model(), sick):
            for _ in range(4):
                sick.failing = True
                assert [status(live) for _ in range(2)] == [503] * 2
                sick.failing = False
                assert live.classify(b"\x89PNG\r\n\x1a\n damaged").status_code == 400
                assert status(live) == 200
        assert model(live).state == "ready"


def test_damaged_images_set_nothing_aside(tmp_path: Path) -> None:
    write_artifact(tmp_path, "colours", 1)
    with serving(settings_for(tmp_path, quarantine_after=1)) as live:
        assert live.classify(b"\x89PNG\r\n\x1a\n damaged").status_code == 400
        assert status(live) == 200
        assert model(live).state == "ready"


def test_a_reload_replaces_a_model_that_was_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "_FIRST_RETRY_S", 1000.0)
    write_artifact(tmp_path, "colours", 1)
    with serving(settings_for(tmp_path, quarantine_after=1)) as live:
        sick = FlakySession(live.model().require().session)
        sick.failing = True
        with replaced_session(live.model(), sick):
            assert status(live) == 503
            wait_until(lambda: model(live).state == "failed", "it is set aside")
            reload(live)
            assert status(live) == 200
