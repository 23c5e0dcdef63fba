"""POST /models/{name}/benchmark, and the figures in /models."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service.api.model_schemas import BenchmarkBody
from tests.support.server import LiveServer, serving, settings_for
from tests.support.sessions import gated

ADMIN = {"authorization": "Bearer an-admin-token-of-tests"}


@pytest.fixture
def admin_file(tmp_path: Path) -> Path:
    path = tmp_path / "admin"
    path.write_text("an-admin-token-of-tests\n")
    return path


def test_a_model_is_measured_and_listed(repository: Path, admin_file: Path) -> None:
    with serving(settings_for(repository, admin_token_file=admin_file)) as live:
        before = live.client.get("/models/colours").json()["benchmark"]
        assert before["images_per_second"] is None
        response = live.client.post("/models/colours/benchmark", headers=ADMIN)
        figures = BenchmarkBody.model_validate(response.json())
        assert figures.images_per_second
        assert live.client.get("/models/colours").json()["benchmark"] == response.json()


def test_one_at_a_time(repository: Path, admin_file: Path) -> None:
    with (
        serving(settings_for(repository, admin_token_file=admin_file)) as live,
        ThreadPoolExecutor(1) as other,
        gated(live.model()) as session,
    ):
        first = other.submit(live.client.post, "/models/colours/benchmark", headers=ADMIN)
        session.wait_for_runs(1)
        second = live.client.post("/models/another/benchmark", headers=ADMIN)
        assert (second.status_code, second.json()["code"]) == (409, "benchmark_running")
        session.gate.set()
        assert first.result(30).is_success


def test_it_is_the_operators(server: LiveServer, repository: Path, admin_file: Path) -> None:
    response = server.client.post("/models/colours/benchmark")
    assert response.status_code == 403
    assert "ADMIN_TOKEN_FILE" in response.json()["detail"]
    with serving(settings_for(repository, admin_token_file=admin_file)) as live:
        assert live.client.post("/models/colours/benchmark").status_code == 401
        assert live.client.post("/models/gone/benchmark", headers=ADMIN).status_code == 404
