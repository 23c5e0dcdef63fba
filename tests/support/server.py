"""A real server on loopback, in this process, and a client that audits every answer."""

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from uvicorn.server import ServerState

from service.api.context import Context
from service.api.problems import PROBLEM_TYPE
from service.app import create_app
from service.engine.repository import ServedModel
from service.server import server_config
from service.settings import Settings
from tests.support.waiting import wait_until

_WRITTEN_BEFORE = {"text/javascript", "text/css"}  # files of pages, where 0x is a number
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True)
class LiveServer:
    """A running server."""

    url: str
    context: Context
    client: httpx.Client
    state: ServerState

    @property
    def connections(self) -> int:
        """How many connections are open, those of `client` among them."""
        return len(self.state.connections)

    @property
    def port(self) -> int:
        return httpx.URL(self.url).port or 80

    def model(self, name: str = "colours") -> ServedModel:
        return self.context.repository.find(name)

    def classify(self, data: bytes, **query: Any) -> httpx.Response:
        """Post one image as the field of a form."""
        return self.client.post("/classify", params=query, files={"image": ("a.png", data)})

    def classify_raw(
        self, data: bytes, headers: Mapping[str, str] | None = None, **query: Any
    ) -> httpx.Response:
        """Post one image as raw bytes."""
        headers = {"content-type": "application/octet-stream", **(headers or {})}
        return self.client.post("/classify", params=query, content=data, headers=headers)

    def batch(self, *images: bytes, **query: Any) -> httpx.Response:
        """Post several images, named 0.png, 1.png and so on."""
        files = [("image", (f"{i}.png", data)) for i, data in enumerate(images)]
        return self.client.post("/classify/batch", params=query, files=files)


def settings_for(repository: Path, **changes: Any) -> Settings:
    """Return settings of a small server on `repository`."""
    values: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": 0,
        "model_repository": repository,
        "default_model": "colours",
        "worker_threads": 2,
        "lone_request_threads": 1,  # no second session, which a test's own would not replace
        "quarantine_after": 0,
        "watchdog_s": 0,  # it would end the process of the tests
        "benchmark_when_idle": False,  # a test that wants figures asks for them
        "log_format": "json",
    }
    return Settings(**(values | changes))


@contextmanager
def serving(
    settings: Settings, *, wait_ready: bool = True, plain: bool = False
) -> Iterator[LiveServer]:
    """Run a server with `settings` until the block ends; `plain` is the app on uvicorn as it is."""
    app = create_app(settings)
    config = _plain_config(app, settings) if plain else server_config(app)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="uvicorn")
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive(), "the server has started")
        port = server.servers[0].sockets[0].getsockname()[1]
        url = f"http://{settings.host}:{port}"
        hooks = {"response": [audit]}
        with httpx.Client(base_url=url, timeout=30.0, event_hooks=hooks) as client:
            if wait_ready:
                wait_until(lambda: client.get("/readyz").is_success, "the server is ready")
            yield LiveServer(url, app.state.context, client, server.server_state)
    finally:
        server.should_exit = True
        thread.join(timeout=30.0)
        assert not thread.is_alive(), "the server does not stop"


def _plain_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=settings.shutdown_timeout_s,
    )


def audit(response: httpx.Response) -> None:
    """Check what holds for every answer, whatever was asked."""
    body = response.read()
    if response.headers.get("content-type", "").partition(";")[0] not in _WRITTEN_BEFORE:
        assert b"0x" not in body, "an address got out"
    assert b"Traceback" not in body
    request_id = response.headers["x-request-id"]
    assert _REQUEST_ID.fullmatch(request_id)
    if response.is_success or response.is_redirect or response.request.url.path == "/readyz":
        return
    if response.request.url.path.startswith("/v2"):
        assert response.headers["content-type"] == "application/json"
        document = response.json()
        assert document.keys() in ({"error"}, {"ready"}, {"name", "ready"})
        assert document.get("error", "-")
        return
    assert response.headers["content-type"] == PROBLEM_TYPE
    problem = response.json()
    assert {"type", "title", "status", "code", "detail", "request_id"} <= problem.keys()
    assert problem["status"] == response.status_code
    assert problem["request_id"] == request_id
    assert problem["detail"]
