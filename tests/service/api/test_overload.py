"""More than the service can do: shed at once, dropped in time, and healthy throughout."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.support.images import photo
from tests.support.server import LiveServer, serving, settings_for
from tests.support.sessions import GatedSession, gated
from tests.support.waiting import wait_until


@contextmanager
def all_places_taken(server: LiveServer) -> Iterator[tuple[GatedSession, list[httpx.Response]]]:
    """Fill the one thread and the two waiting places; at the end these requests are answered."""
    answers: list[httpx.Response] = []
    with ThreadPoolExecutor(3) as clients, gated(server.model()) as session:
        requests = [clients.submit(server.classify, photo("blue")) for _ in range(3)]
        wait_until(lambda: server.context.pool.in_flight == 3, "all places are taken")
        yield session, answers
        session.gate.set()
        answers.extend(request.result(30) for request in requests)


def test_what_does_not_fit_is_refused_and_what_was_admitted_is_answered(
    small_server: LiveServer,
) -> None:
    with all_places_taken(small_server) as (_, answers):
        refused = [small_server.classify(photo()) for _ in range(5)]
    for response in refused:
        assert (response.status_code, response.json()["code"]) == (503, "overloaded")
        assert int(response.headers["retry-after"]) >= 1
    assert [a.json()["predictions"][0]["label"] for a in answers] == ["blue"] * 3
    assert small_server.classify(photo("green")).is_success


def test_a_batch_is_shed_as_well(small_server: LiveServer) -> None:
    with all_places_taken(small_server):
        response = small_server.batch(photo())
        assert (response.status_code, response.json()["code"]) == (503, "overloaded")


def test_shedding_comes_before_the_body_is_read(small_server: LiveServer) -> None:
    with all_places_taken(small_server):
        # of a body that is read, the length would be what is wrong with it
        response = small_server.classify_raw(bytes(30_000_000))
        assert (response.status_code, response.json()["code"]) == (503, "overloaded")


def test_health_models_and_metrics_are_never_shed(small_server: LiveServer) -> None:
    with all_places_taken(small_server):
        for path in ("/livez", "/models", "/models/colours", "/latency", "/metrics"):
            assert small_server.client.get(path).status_code == 200, path


def test_the_load_is_visible(small_server: LiveServer) -> None:
    with all_places_taken(small_server):
        text = small_server.client.get("/metrics").text
        assert "featherbox_in_flight_images 3.0" in text
        assert "featherbox_queue_waiting_images 2.0" in text
        assert "featherbox_queue_capacity_images 3.0" in text


def test_every_request_of_a_burst_is_answered_or_refused(small_server: LiveServer) -> None:
    with gated(small_server.model()) as session, ThreadPoolExecutor(20) as clients:
        requests = [clients.submit(small_server.classify, photo("red")) for _ in range(20)]
        wait_until(lambda: sum(r.done() for r in requests) == 17, "17 requests are refused")
        session.gate.set()
        statuses = Counter(request.result(30).status_code for request in requests)
    assert statuses == {200: 3, 503: 17}
    wait_until(lambda: small_server.context.pool.in_flight == 0, "all places are free")


def test_a_request_past_its_deadline_is_told_so(small_server: LiveServer) -> None:
    with gated(small_server.model()):
        response = small_server.classify_raw(photo(), {"x-request-timeout-ms": "50"})
    assert (response.status_code, response.json()["code"]) == (504, "deadline_exceeded")


def test_the_service_has_a_deadline_of_its_own(repository: Path) -> None:
    with serving(settings_for(repository, request_timeout_ms=50)) as live, gated(live.model()):
        response = live.classify_raw(photo(), {"x-request-timeout-ms": "60000"})
    assert (response.status_code, response.json()["code"]) == (504, "deadline_exceeded")


def test_a_job_past_its_deadline_is_dropped_before_its_work(small_server: LiveServer) -> None:
    with ThreadPoolExecutor(1) as clients, gated(small_server.model()) as session:
        first = clients.submit(small_server.classify, photo("blue"))
        session.wait_for_runs(1)
        response = small_server.classify_raw(photo(), {"x-request-timeout-ms": "50"})
        assert response.status_code == 504
        # its place is free again while the first still runs
        assert small_server.context.pool.in_flight == 1
        session.gate.set()
        assert first.result(30).is_success
        assert small_server.classify(photo("green")).is_success
    assert session.runs == 2


def test_waiting_counts_as_queue(small_server: LiveServer) -> None:
    with ThreadPoolExecutor(2) as clients, gated(small_server.model()) as session:
        first = clients.submit(small_server.classify, photo("blue"))
        session.wait_for_runs(1)
        second = clients.submit(small_server.classify, photo("blue"))
        wait_until(lambda: small_server.context.pool.in_flight == 2, "the second waits")
        seen_waiting = time.perf_counter()
        wait_until(lambda: time.perf_counter() - seen_waiting > 0.01, "it has waited a while")
        waited_ms = (time.perf_counter() - seen_waiting) * 1e3
        session.gate.set()
        assert first.result(30).is_success
        stages = second.result(30).json()["timings_ms"]
    assert waited_ms <= stages["queue"] <= stages["total"]


def test_the_event_loop_turns_while_all_threads_are_busy(small_server: LiveServer) -> None:
    with all_places_taken(small_server) as (session, answers):
        for _ in range(50):
            assert small_server.client.get("/livez").is_success
        assert not session.gate.is_set()
        assert answers == []


def test_no_place_is_lost_by_requests_that_fail(small_server: LiveServer) -> None:
    for _ in range(30):
        assert small_server.classify(b"text").status_code == 415
    wait_until(lambda: small_server.context.pool.in_flight == 0, "all places are free")


def test_clients_that_go_away_leave_no_place_taken(small_server: LiveServer) -> None:
    with gated(small_server.model()) as session:
        patience = httpx.Timeout(30.0, read=0.2)
        with httpx.Client(base_url=small_server.url, timeout=patience) as impatient:
            for _ in range(3):
                with pytest.raises(httpx.ReadTimeout):
                    impatient.post("/classify", files={"image": ("a.png", photo())})
        session.gate.set()
        wait_until(lambda: small_server.context.pool.in_flight == 0, "all places are free")
    assert small_server.classify(photo("red")).is_success


def test_an_image_is_alone_only_while_no_other_is_in_work(small_server: LiveServer) -> None:
    model = small_server.model()
    loaded = model.require()
    shared, lone = GatedSession(loaded.session), GatedSession(loaded.session)
    model.loaded = replace(loaded, session=shared, lone_session=lone)
    try:
        with ThreadPoolExecutor(3) as clients:
            answers = [clients.submit(small_server.classify, photo("blue"))]
            lone.wait_for_runs(1)
            answers += [clients.submit(small_server.classify, photo("blue")) for _ in range(2)]
            wait_until(lambda: small_server.context.pool.in_flight == 3, "two more wait")
            lone.gate.set()
            shared.wait_for_runs(1)  # the second, while the third still waits
            shared.gate.set()
            assert all(answer.result(30).is_success for answer in answers)
    finally:
        model.loaded = loaded
    assert (lone.runs, shared.runs) == (2, 1)  # the third is alone again
