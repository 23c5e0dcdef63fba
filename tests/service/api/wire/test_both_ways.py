"""The short way to /classify and the ASGI app: the same answers, headers, logs and metrics."""

import logging
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from benchmarks.reliability.files.forms import CONTENT_TYPE, form, image_part
from service.api.record import RequestRecord
from service.errors import Unauthorized
from tests.support.images import photo, png_of_size
from tests.support.server import LiveServer, serving, settings_for
from tests.support.sessions import BrokenSession, gated, replaced_session
from tests.support.waiting import wait_until

PHOTO = photo("blue")
RAW = {"content-type": "image/png"}
REQUESTS: dict[str, tuple[str, bytes, dict[str, str]]] = {
    "raw": ("", PHOTO, RAW),
    "octets": ("?model=another&top_k=1", PHOTO, {"content-type": "application/octet-stream"}),
    "no type": ("?", PHOTO, {}),
    "a form": ("", form(image_part(PHOTO)), {"content-type": CONTENT_TYPE}),
    "its own id": ("", PHOTO, {**RAW, "x-request-id": "mine"}),
    "a timeout": ("", PHOTO, {**RAW, "x-request-timeout-ms": "5000"}),
    "no image": ("", b"text", RAW),
    "an odd type": ("", PHOTO, {"content-type": "text/plain"}),
    "nothing": ("", b"", RAW),
    "an encoded body": ("", PHOTO, {**RAW, "content-encoding": "gzip"}),
    "a bomb": ("", png_of_size(60_000, 60_000), RAW),
    "no such model": ("?model=none", PHOTO, RAW),
    "bad parameters": ("?top_k=x", PHOTO, {**RAW, "x-request-timeout-ms": "y"}),
    "many fields": ("?" + "a=b&" * 40, PHOTO, RAW),
    "too much": ("", bytes(70_000), RAW),
    "no token": ("", PHOTO, {**RAW, "x-stranger": "yes"}),
}
TWICE_EACH = 2


def stranger(record: RequestRecord) -> None:
    if b"x-stranger" in record.headers:
        raise Unauthorized("Strangers need a token.")


@pytest.fixture(scope="module")
def both(server: LiveServer) -> Iterator[tuple[LiveServer, LiveServer]]:
    """Return a server with our protocol, and the same app on uvicorn as it is."""
    settings = settings_for(server.context.settings.model_repository, max_body_bytes=60_000)
    with serving(settings) as ours, serving(settings, plain=True) as plain:
        for live in (ours, plain):
            live.context.guards.append(stranger)
        yield ours, plain


def comparable(response: httpx.Response) -> dict[str, Any]:
    """Return all of an answer that does not differ from one to the next."""
    document = response.json()
    assert document.pop("request_id") == response.headers["x-request-id"]
    timings = document.pop("timings_ms", {})
    headers = dict(response.headers)
    headers["x-request-id"] = re.sub("^[0-9A-Z]{26}$", "ULID", headers["x-request-id"])
    length = int(headers.pop("content-length"))
    assert length == len(response.content)
    assert headers.pop("date")
    return {
        "status": response.status_code,
        "headers": headers,
        "document": document,
        "stages": list(timings),
    }


def counts(live: LiveServer) -> list[str]:
    wanted = ("featherbox_requests_total", "featherbox_errors_total", "featherbox_stage_dur")
    lines = live.client.get("/metrics").text.splitlines()
    return [x for x in lines if x.startswith(wanted) and "_sum" not in x and "_bucket" not in x]


@pytest.mark.parametrize("name", REQUESTS)
def test_both_ways_answer_log_and_count_the_same(
    both: tuple[LiveServer, LiveServer], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "featherbox.access")
    query, body, headers = REQUESTS[name]
    answers, logged, counted = [], [], []
    for live in both:
        caplog.clear()
        responses = [
            live.client.post(f"/classify{query}", content=body, headers=headers)
            for _ in range(TWICE_EACH)
        ]
        counted.append([line for line in counts(live) if "/classify" in line or "code" in line])
        answers.append([comparable(response) for response in responses])
        fields = [getattr(record, "fields", None) for record in caplog.records]
        logged.append([sorted(line) for line in fields if line and line["path"] == "/classify"])
    assert answers[0] == answers[1]
    assert logged[0] == logged[1]
    assert len(logged[0]) == TWICE_EACH
    assert re.sub("created.*", "", str(counted[0])) == re.sub("created.*", "", str(counted[1]))


def test_both_ways_answer_a_bug_the_same(
    both: tuple[LiveServer, LiveServer], caplog: pytest.LogCaptureFixture
) -> None:
    found = []
    for live in both:
        with replaced_session(live.model(), BrokenSession(RuntimeError("secret"))):
            found.append(comparable(live.classify_raw(PHOTO)))
        assert [r.getMessage() for r in caplog.records if r.exc_info]
        caplog.clear()
    assert found[0] == found[1]
    assert found[0]["status"] == 500


@pytest.mark.parametrize("timeout", [{}, {"x-request-timeout-ms": "50"}])
def test_both_ways_keep_the_deadline(server: LiveServer, timeout: dict[str, str]) -> None:
    settings = settings_for(server.context.settings.model_repository, request_timeout_ms=100)
    for plain in (False, True):
        with serving(settings, plain=plain) as live, gated(live.model()):
            answer = live.classify_raw(PHOTO, timeout)
            assert (answer.status_code, answer.json()["code"]) == (504, "deadline_exceeded")


def test_a_page_of_another_origin_is_answered_with_cors(server: LiveServer) -> None:
    folder = server.context.settings.model_repository
    with serving(settings_for(folder, cors_origins=["https://one.example"])) as live:
        answer = live.classify_raw(PHOTO, {"origin": "https://one.example"})
        assert answer.is_success
        assert answer.headers["access-control-allow-origin"] == "https://one.example"
        assert "access-control-allow-origin" not in live.classify_raw(PHOTO).headers


@pytest.mark.parametrize("plain", [False, True])
def test_a_job_whose_client_has_gone_is_dropped_and_counted(
    server: LiveServer, plain: bool
) -> None:
    gone = 'featherbox_requests_total{model="colours",route="/classify",status="499"} 2.0'
    settings = settings_for(server.context.settings.model_repository, worker_threads=1)
    with serving(settings, plain=plain) as live, gated(live.model()) as session:
        with httpx.Client(base_url=live.url) as first:
            for _ in range(2):  # one in work, one that waits
                with pytest.raises(httpx.ReadTimeout):
                    first.post("/classify", content=PHOTO, headers=RAW, timeout=0.2)
        wait_until(lambda: gone in live.client.get("/metrics").text, "they are counted")
        assert live.context.pool.in_flight == 1
        session.gate.set()
        wait_until(lambda: live.context.pool.in_flight == 0, "all places are free")
    assert session.runs == 1
