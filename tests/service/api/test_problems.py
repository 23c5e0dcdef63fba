"""Errors to answers: every one a problem document, with a request id that can be found."""

import logging
import re
from collections.abc import Iterator

import httpx
import pytest

from service.api.problems import PROBLEM_TYPE
from service.api.schemas import ProblemBody
from tests.support.images import photo
from tests.support.server import LiveServer, serving, settings_for
from tests.support.sessions import BrokenSession, replaced_session
from tests.support.waiting import wait_until

ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


def problem(response: httpx.Response) -> ProblemBody:
    assert response.headers["content-type"] == PROBLEM_TYPE
    return ProblemBody.model_validate_json(response.content)


def test_a_problem_holds_the_members_of_the_standard_and_ours(server: LiveServer) -> None:
    response = server.classify(photo(), model="missing")
    body = problem(response)
    assert (body.type, body.title, body.status) == ("about:blank", "Not Found", 404)
    assert body.code == "model_not_found"
    assert body.request_id == response.headers["x-request-id"]
    assert "errors" not in response.json()


def test_a_wrong_parameter_is_named_in_a_list(server: LiveServer) -> None:
    body = problem(server.classify_raw(photo(), {"x-request-timeout-ms": "x"}, top_k="y"))
    assert body.code == "invalid_parameter"
    assert body.errors is not None
    assert {error.parameter for error in body.errors} == {"top_k", "X-Request-Timeout-Ms"}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/models/a/b/c", 404, "not_found"),
        ("POST", "/classify/", 404, "not_found"),
        ("POST", "/models", 405, "method_not_allowed"),
        ("TRACE", "/classify", 405, "method_not_allowed"),
        ("GET", "/classify", 405, "method_not_allowed"),
    ],
)
def test_unknown_routes_and_methods_are_problems_too(
    server: LiveServer, method: str, path: str, status: int, code: str
) -> None:
    response = server.client.request(method, path)
    assert (response.status_code, problem(response).code) == (status, code)


@pytest.mark.parametrize("sent", ["a", "01J-abc_DEF.9", "x" * 64])
def test_a_safe_request_id_is_repeated(server: LiveServer, sent: str) -> None:
    for data in (photo(), b"text"):
        response = server.classify_raw(data, {"x-request-id": sent})
        assert response.headers["x-request-id"] == sent
        assert response.json()["request_id"] == sent


@pytest.mark.parametrize("sent", ["", "x" * 65, "a b", "a\tb", "<script>", "a;b", '"', "a/b"])
def test_any_other_request_id_is_replaced(server: LiveServer, sent: str) -> None:
    response = server.classify_raw(photo(), {"x-request-id": sent})
    assert ULID.fullmatch(response.headers["x-request-id"])
    assert response.json()["request_id"] == response.headers["x-request-id"]


def test_request_ids_are_ours_where_none_is_sent_and_sort_by_time(server: LiveServer) -> None:
    found = [server.client.get("/livez").headers["x-request-id"] for _ in range(5)]
    assert all(ULID.fullmatch(request_id) for request_id in found)
    assert len(set(found)) == 5
    stamps = [request_id[:10] for request_id in found]
    assert stamps == sorted(stamps)


@pytest.fixture
def buggy_server(server: LiveServer) -> Iterator[LiveServer]:
    """Return a server of its own whose every inference is a bug."""
    with serving(settings_for(server.context.settings.model_repository)) as live:
        broken = BrokenSession(RuntimeError("secret at 0xdeadbeef"))
        with replaced_session(live.model(), broken):
            yield live


def test_a_bug_is_answered_counted_and_logged_under_its_request_id(
    buggy_server: LiveServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "featherbox")
    response = buggy_server.classify_raw(photo(), {"x-request-id": "find-me"})
    assert (response.status_code, problem(response).code) == (500, "internal_error")
    assert problem(response).request_id == "find-me"
    assert "secret" not in response.text

    def access_lines() -> list[dict[str, object]]:
        records = [r for r in caplog.records if r.name == "featherbox.access"]
        fields = [getattr(record, "fields", {}) for record in records]
        return [f for f in fields if f.get("request_id") == "find-me"]

    wait_until(lambda: bool(access_lines()), "the request is logged")
    (line,) = access_lines()
    assert (line["status"], line["code"]) == (500, "internal_error")
    (bug,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "find-me" in bug.getMessage()
    assert bug.exc_info is not None
    metrics = buggy_server.client.get("/metrics").text
    assert 'featherbox_errors_total{code="internal_error"} 1.0' in metrics
    assert 'status="500"} 1.0' in metrics
    caplog.clear()


def test_a_bug_in_one_request_leaves_the_service_whole(
    buggy_server: LiveServer, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        assert buggy_server.classify(photo()).status_code == 500
    assert buggy_server.batch(photo()).status_code == 500
    assert buggy_server.classify(photo("blue"), model="another").is_success
    wait_until(lambda: buggy_server.context.pool.in_flight == 0, "all places are free")
    caplog.clear()
