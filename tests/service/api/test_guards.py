"""Guards: asked before anything else, on both routes that take images."""

from collections.abc import Iterator

import httpx
import pytest

from service.api.record import RequestRecord
from service.errors import ModelNotFound
from tests.support.images import photo
from tests.support.server import LiveServer, serving, settings_for


class Doorman:
    """Lets in whoever knows the word, and remembers whom it saw."""

    def __init__(self) -> None:
        self.seen: list[RequestRecord] = []

    def __call__(self, record: RequestRecord) -> None:
        self.seen.append(record)
        if record.headers.get(b"x-word") != b"please":
            raise ModelNotFound("Say the word.")


@pytest.fixture(scope="module")
def guarded(server: LiveServer) -> Iterator[tuple[LiveServer, Doorman]]:
    """Return a server with a guard, and the guard."""
    with serving(settings_for(server.context.settings.model_repository)) as live:
        doorman = Doorman()
        live.context.guards.append(doorman)
        yield live, doorman


def post(live: LiveServer, path: str, **headers: str) -> httpx.Response:
    files = [("image", ("a.png", photo("blue")))]
    return live.client.post(path, files=files, headers=headers, params={"model": "another"})


@pytest.mark.parametrize("path", ["/classify", "/classify/batch"])
def test_a_guard_sees_the_request_and_may_refuse_it(
    guarded: tuple[LiveServer, Doorman], path: str
) -> None:
    live, doorman = guarded
    assert post(live, path, **{"X-Word": "please"}).is_success
    record = doorman.seen[-1]
    assert (record.method, record.path, record.client) == ("POST", path, "127.0.0.1")
    refused = post(live, path)
    assert (refused.status_code, refused.json()["detail"]) == (404, "Say the word.")


def test_a_guard_comes_before_the_parameters(guarded: tuple[LiveServer, Doorman]) -> None:
    live, _ = guarded
    response = live.client.post("/classify?top_k=none", content=photo())
    assert response.json()["detail"] == "Say the word."
