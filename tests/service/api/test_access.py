"""Tokens, the admin token, CORS and security headers over real HTTP."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from service.api.access import AdminDep, read_access
from service.app import create_app
from service.errors import SettingUnusable
from tests.support.images import photo
from tests.support.server import LiveServer, serving, settings_for

CLIENT, OTHER, ADMIN = "client-token-0123456789", "other-token-0123456789", "admin-token-0123456789"
# Routes that answer without a token, and say nothing about what is served.
OPEN = {
    "/", "/livez", "/readyz", "/docs", "/docs/{name}", "/openapi.json",
    "/v2/health/live", "/v2/health/ready", "/page/{digest}/{path:path}",
}  # fmt: skip


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def token_files(folder: Path) -> dict[str, Path]:
    (folder / "tokens").write_text(f"# two clients\n{CLIENT}\n\n{OTHER}\n", encoding="utf-8")
    (folder / "admin").write_text(f"{ADMIN}\n", encoding="utf-8")
    return {"tokens_file": folder / "tokens", "admin_token_file": folder / "admin"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return token_files(tmp_path_factory.mktemp("tokens"))


@pytest.fixture(scope="module")
def guarded(repository: Path, files: dict[str, Path]) -> Iterator[LiveServer]:
    """Return a server that needs tokens, once its model has answered."""
    with serving(settings_for(repository, **files)) as live:
        yield live


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


@pytest.mark.parametrize("token", [CLIENT, OTHER, ADMIN])
def test_every_token_opens_the_routes_for_clients(guarded: LiveServer, token: str) -> None:
    assert guarded.classify_raw(photo("red"), bearer(token)).is_success
    files = [("image", ("a.png", photo("red")))]
    batch = guarded.client.post("/classify/batch", files=files, headers=bearer(token))
    assert batch.is_success
    for path in ("/models", "/models/colours", "/latency", "/metrics"):
        assert guarded.client.get(path, headers=bearer(token)).is_success


def routes_of(router: Any) -> Iterator[tuple[str, str]]:
    for route in router.routes:
        if hasattr(route, "original_router"):  # how FastAPI keeps a router that was included
            yield from routes_of(route.original_router)
        for method in getattr(route, "methods", None) or ():
            if route.path not in OPEN:
                yield method, re.sub(r"\{\w+(:\w+)?\}", "colours", route.path)


def test_every_route_needs_a_token_but_the_open_ones(
    guarded: LiveServer, repository: Path, files: dict[str, Path]
) -> None:
    app = create_app(settings_for(repository, **files))
    app.state.context.pool.close()
    asked = list(routes_of(app))
    assert {("POST", "/classify"), ("GET", "/metrics")} <= set(asked)
    for method, path in asked:
        assert guarded.client.request(method, path).status_code == 401, (method, path)


def test_health_is_open_and_names_no_model_to_strangers(guarded: LiveServer) -> None:
    assert guarded.client.get("/livez").json() == {"live": True}
    assert guarded.client.get("/readyz").json() == {"ready": True, "models": {}}
    known = guarded.client.get("/readyz", headers=bearer(CLIENT)).json()
    assert known["models"] == {"colours": "ready"}


@pytest.mark.parametrize(
    "sent",
    [
        None, "", "Bearer", f"Basic {CLIENT}", CLIENT, f"Bearer {CLIENT}x",
        f"Bearer {CLIENT[:-1]}", f"Bearer {CLIENT.upper()}", f"Bearer {CLIENT} {OTHER}",
        "Bearer # two clients", "Bearer \xff\xfe", f"Bearer {'x' * 10_000}",
    ],
)  # fmt: skip
def test_without_the_right_token_nothing_is_answered(guarded: LiveServer, sent: str | None) -> None:
    headers = [] if sent is None else [(b"authorization", sent.encode("latin-1"))]
    answer = guarded.client.post("/classify", content=photo(), headers=headers)
    assert code(answer) == (401, "unauthorized")
    assert answer.headers["www-authenticate"].startswith('Bearer realm="featherbox"')
    invalid = 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert invalid == ("token is wrong" in answer.json()["detail"])
    assert CLIENT not in answer.text


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
def test_the_name_of_the_scheme_may_be_written_in_any_case(
    guarded: LiveServer, scheme: str
) -> None:
    headers = {"authorization": f"{scheme} {CLIENT}"}
    assert guarded.client.get("/models", headers=headers).is_success


@pytest.mark.parametrize("host", ["evil/livez", "a/../livez", "127.0.0.1/docs?"])
def test_a_host_header_moves_nobody_past_the_check(guarded: LiveServer, host: str) -> None:
    answer = guarded.client.get("/models", headers={"host": host})
    assert answer.status_code in {400, 401}


@pytest.mark.parametrize("path", ["//classify", "/classify/", "/./classify", "/CLASSIFY"])
def test_another_spelling_of_a_path_is_no_way_in(guarded: LiveServer, path: str) -> None:
    answer = guarded.client.post(path, content=photo("red"))
    assert answer.status_code in {307, 401, 404, 405}


def test_metrics_can_be_left_open(repository: Path, files: dict[str, Path]) -> None:
    with serving(settings_for(repository, open_metrics=True, **files)) as live:
        assert live.client.get("/metrics").is_success
        assert live.client.get("/models").status_code == 401


def with_operators_route(app: FastAPI) -> FastAPI:
    @app.post("/operators")
    async def operate(_: AdminDep) -> dict[str, bool]:
        return {"done": True}

    return app


@contextmanager
def operated(
    monkeypatch: pytest.MonkeyPatch, repository: Path, **files: Any
) -> Iterator[httpx.Client]:
    """Run a server that has a route for the operator only."""
    monkeypatch.setattr(
        "tests.support.server.create_app", lambda s: with_operators_route(create_app(s))
    )
    with serving(settings_for(repository, **files)) as live:
        yield live.client


def test_the_admin_token_and_no_other_opens_the_operators_routes(
    monkeypatch: pytest.MonkeyPatch, repository: Path, files: dict[str, Path]
) -> None:
    with operated(monkeypatch, repository, **files) as client:
        assert client.post("/operators", headers=bearer(ADMIN)).json() == {"done": True}
        assert code(client.post("/operators")) == (401, "unauthorized")
        assert code(client.post("/operators", headers=bearer("x" * 20))) == (401, "unauthorized")
        assert code(client.post("/operators", headers=bearer(CLIENT))) == (403, "forbidden")


def test_without_an_admin_token_the_answer_names_the_setting(
    monkeypatch: pytest.MonkeyPatch, repository: Path, files: dict[str, Path]
) -> None:
    for given in ({}, {"tokens_file": files["tokens_file"]}):
        with operated(monkeypatch, repository, **given) as client:
            answer = client.post("/operators", headers=bearer(CLIENT))
            assert code(answer) == (403, "forbidden")
            assert "FEATHERBOX_ADMIN_TOKEN_FILE" in answer.json()["detail"]


def test_an_admin_token_alone_leaves_the_other_routes_open(
    monkeypatch: pytest.MonkeyPatch, repository: Path, files: dict[str, Path]
) -> None:
    only = {"admin_token_file": files["admin_token_file"]}
    with operated(monkeypatch, repository, **only) as client:
        assert client.get("/models").is_success
        assert client.get("/readyz").json()["models"] == {"colours": "ready"}
        assert code(client.post("/operators")) == (401, "unauthorized")
        assert client.post("/operators", headers=bearer(ADMIN)).is_success


def test_a_service_without_tokens_asks_no_guard(server: LiveServer) -> None:
    assert server.context.guards == []
    assert server.context.access.for_routes() == {}
    assert not server.context.access.needs_token


def test_the_document_declares_the_token_where_one_is_needed(
    guarded: LiveServer, server: LiveServer
) -> None:
    document = guarded.client.get("/openapi.json").json()
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    for path, route in document["paths"].items():
        for operation in route.values():
            assert ("security" in operation) == (path not in OPEN), path
            assert ("401" in operation["responses"]) == (path not in OPEN), path
    assert "/classify" in document["paths"]
    classify = server.client.get("/openapi.json").json()["paths"]["/classify"]["post"]
    assert "security" not in classify
    assert "401" not in classify["responses"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "holds no token"),
        ("# only a comment\n\n", "holds no token"),
        ("short\n", "is not 16 to 512"),
        (f"{CLIENT}\nsecret with spaces 0123456789\n", "is not 16 to 512"),
        ("x" * 513, "is not 16 to 512"),
    ],
)
def test_an_unfit_file_ends_the_start_and_shows_no_token(
    tmp_path: Path, repository: Path, text: str, reason: str
) -> None:
    (tmp_path / "tokens").write_text(text, encoding="utf-8")
    for setting in ("tokens_file", "admin_token_file"):
        with pytest.raises(SettingUnusable) as caught:
            read_access(settings_for(repository, **{setting: tmp_path / "tokens"}))
        assert reason in caught.value.detail
        assert f"FEATHERBOX_{setting.upper()}" in caught.value.detail
        assert not text.strip() or text.strip() not in caught.value.detail


@pytest.mark.parametrize("written", [None, b"\xff\xfe\xfd"])
def test_a_file_that_cannot_be_read_ends_the_start(
    tmp_path: Path, repository: Path, written: bytes | None
) -> None:
    if written:
        (tmp_path / "tokens").write_bytes(written)
    with pytest.raises(SettingUnusable, match="cannot be read"):
        read_access(settings_for(repository, tokens_file=tmp_path / "tokens"))


def test_the_same_token_for_clients_and_admin_is_refused(tmp_path: Path, repository: Path) -> None:
    files = token_files(tmp_path)
    (tmp_path / "admin").write_text(CLIENT, encoding="utf-8")
    with pytest.raises(SettingUnusable, match="the same token"):
        read_access(settings_for(repository, **files))
