"""Who is let near: the address, pages of other origins, and what browsers may make of answers."""

import logging
from pathlib import Path

import pytest

from service.api.access import Access, warn_if_open
from tests.support.images import photo
from tests.support.server import LiveServer, serving, settings_for


@pytest.mark.parametrize(
    ("host", "warned"),
    [("127.0.0.1", False), ("::1", False), ("localhost", False), ("127.0.0.9", False),
     ("0.0.0.0", True), ("::", True), ("192.0.2.7", True), ("box.example", True)],
)  # fmt: skip
def test_an_open_address_without_tokens_is_warned_of(
    repository: Path,
    caplog: pytest.LogCaptureFixture,
    host: str,
    warned: bool,
) -> None:
    settings = settings_for(repository, host=host)
    with caplog.at_level(logging.WARNING, "featherbox"):
        warn_if_open(settings, Access(frozenset({bytes(32)}), frozenset()))
        assert caplog.messages == []
        warn_if_open(settings, Access(frozenset(), frozenset()))
    assert [host in message for message in caplog.messages] == [True] * warned


def test_by_default_no_page_of_elsewhere_reads_an_answer(server: LiveServer) -> None:
    for headers in ({"origin": "https://example.org"}, {"origin": "null"}):
        answer = server.client.get("/models", headers=headers)
        assert not [name for name in answer.headers if name.startswith("access-control-")]
    preflight = {"origin": "https://example.org", "access-control-request-method": "POST"}
    answer = server.client.options("/classify", headers=preflight)
    assert answer.status_code == 405
    assert "access-control-allow-origin" not in answer.headers


def test_an_origin_of_the_settings_may_read_the_answers(tmp_path: Path, repository: Path) -> None:
    origin, token = "https://example.org", "client-token-0123456789"
    (tmp_path / "tokens").write_text(token, encoding="utf-8")
    files = {"tokens_file": tmp_path / "tokens"}
    with serving(settings_for(repository, cors_origins=origin, **files)) as live:
        preflight = {
            "origin": origin,
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization, content-type",
        }
        allowed = live.client.options("/classify", headers=preflight)
        assert allowed.is_success
        assert allowed.headers["access-control-allow-origin"] == origin
        answer = live.classify_raw(
            photo("red"), {"origin": origin, "authorization": f"Bearer {token}"}
        )
        assert answer.is_success
        assert answer.headers["access-control-allow-origin"] == origin
        assert "access-control-allow-credentials" not in answer.headers
        other = live.classify_raw(photo("red"), {"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


def test_every_answer_forbids_guessing_its_type(server: LiveServer) -> None:
    for answer in (
        server.classify(photo("red")),
        server.classify(b"text"),
        server.client.get("/missing"),
        server.client.get("/metrics"),
        server.client.get("/docs"),
    ):
        assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
