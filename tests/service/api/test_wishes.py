"""model=auto, min_confidence, compare and the shadow model, over real HTTP."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.api.schemas import ClassifyBody
from service.engine.benchmark import Benchmark
from service.errors import ModelFailed
from tests.support.artifacts import edit_manifest, write_artifact
from tests.support.images import photo
from tests.support.server import LiveServer, serving, settings_for
from tests.support.sessions import BrokenSession, gated
from tests.support.waiting import wait_until

TIMES_MS = {"colours": 1.0, "large": 50.0}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a repository of `colours` (fast) and `large`, which is known to be better."""
    edit_manifest(write_artifact(tmp_path, "colours"), quality={"top1": 0.6})
    edit_manifest(write_artifact(tmp_path, "large"), quality={"top1": 0.9})
    return tmp_path


def running(server: LiveServer) -> LiveServer:
    """Say how long the models take, whatever this box is."""
    for name, ms in TIMES_MS.items():
        server.context.benchmarks.forecast.expect(name, Benchmark(ms, ms, ms, None, 1.0, 1))
    return server


@pytest.fixture
def server(folder: Path) -> Iterator[LiveServer]:
    with serving(settings_for(folder)) as live:
        yield running(live)


def answer(response: httpx.Response) -> ClassifyBody:
    assert response.status_code == 200, response.text
    return ClassifyBody.model_validate_json(response.content)


def refusal(response: httpx.Response) -> tuple[int, Any]:
    problem = response.json()
    return response.status_code, [error["parameter"] for error in problem.get("errors") or []]


def test_auto_takes_the_most_accurate_model(server: LiveServer) -> None:
    body = answer(server.classify_raw(photo("blue"), model="auto"))
    assert body.model == "large"
    assert body.auto
    assert (body.auto.reason, body.predictions[0].label) == ("most accurate", "blue")
    assert body.auto.expected_ms >= 50.0


def test_auto_keeps_the_promise_that_is_asked_for(server: LiveServer) -> None:
    body = answer(server.classify(photo("red"), model="auto", max_latency_ms=40))
    assert body.model == "colours"
    assert body.auto
    assert body.auto.reason == "most accurate in time"
    log = server.client.get("/metrics").text
    assert 'featherbox_auto_images_total{model="colours",reason="most accurate in time"} 1.0' in log
    assert 'featherbox_requests_total{model="colours",route="/classify",status="200"} 1.0' in log


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"max_latency_ms": 0.5}, ["max_latency_ms"]),
        ({"min_accuracy": 0.95}, ["min_accuracy"]),
        ({"min_accuracy": 1.1}, ["min_accuracy"]),
        ({"max_latency_ms": "soon"}, ["max_latency_ms"]),
        ({"max_latency_ms": 0}, ["max_latency_ms"]),
        ({"min_confidence": "nan"}, ["min_confidence"]),
        ({"model": "large", "max_latency_ms": 9}, ["max_latency_ms"]),
        ({"model": "large", "min_accuracy": 0.5}, ["min_accuracy"]),
    ],
    ids=str,
)
def test_what_means_nothing_is_refused(
    server: LiveServer, query: dict[str, Any], named: list[str]
) -> None:
    assert refusal(server.classify(photo(), **{"model": "auto", **query})) == (422, named)


def test_a_batch_may_leave_the_choice_to_the_service(server: LiveServer) -> None:
    assert server.batch(photo(), photo(), model="auto").json()["model"] == "large"
    fast = server.batch(photo(), model="auto", max_latency_ms=40)
    assert fast.json()["model"] == "colours"
    assert refusal(server.batch(photo(), compare="large")) == (422, ["compare"])


def test_a_bad_image_is_refused_as_ever(server: LiveServer) -> None:
    response = server.classify(b"hello", model="auto")
    assert response.status_code == 415


def test_a_cascade_asks_the_larger_model_only_where_the_fast_one_is_not_sure(folder: Path) -> None:
    for confidence, model, reason in (
        (0.5, "colours", "sure enough"),
        (1.0, "large", "most accurate"),
    ):
        with serving(settings_for(folder, cascade_confidence=confidence)) as live:
            body = answer(running(live).classify(photo("red"), model="auto"))
        assert body.auto
        assert (body.model, body.auto.reason) == (model, reason)
        assert body.predictions[0].label == "red"


def test_an_answer_below_the_confidence_is_marked(server: LiveServer, folder: Path) -> None:
    assert answer(server.classify(photo(), min_confidence=0.5)).unsure is False
    assert answer(server.classify(photo(), min_confidence=1)).unsure is True
    assert answer(server.classify(photo())).unsure is None
    with serving(settings_for(folder, min_confidence=1.0)) as strict:
        assert answer(strict.classify(photo())).unsure is True
        assert answer(strict.classify(photo(), min_confidence=0)).unsure is None


def test_two_models_can_be_compared_on_one_picture(server: LiveServer) -> None:
    body = answer(server.classify(photo("green"), compare="large:1", top_k=2))
    assert (body.model, body.predictions[0].label) == ("colours", "green")
    assert body.compare
    assert (body.compare.model, body.compare.agree) == ("large", True)
    assert body.compare.probability_difference == 0
    assert len(body.compare.predictions) == 2
    assert server.classify(photo(), compare="gone").status_code == 404


def test_models_that_differ_are_told_apart(server: LiveServer) -> None:
    large = server.model("large")
    assert large.loaded
    large.loaded = replace(large.loaded, labels=large.loaded.labels[::-1])
    body = answer(server.classify(photo("red"), compare="large"))
    assert body.compare
    assert not body.compare.agree


def shadowed(server: LiveServer, outcome: str) -> bool:
    line = f'featherbox_shadow_images_total{{model="colours",outcome="{outcome}",shadow="large"}}'
    return line in server.client.get("/metrics").text


def test_a_shadow_model_counts_agreement(folder: Path) -> None:
    settings = settings_for(folder, shadow_model="large", shadow_share=1.0)
    with serving(settings) as live:
        assert answer(live.classify(photo("red"))).model == "colours"
        wait_until(lambda: shadowed(live, "agrees"), "the shadow has looked")
        large = live.model("large")
        assert large.loaded
        large.loaded = replace(large.loaded, session=BrokenSession(ModelFailed("no")))
        assert answer(live.classify(photo("red"))).predictions[0].label == "red"
        wait_until(lambda: shadowed(live, "failed"), "the shadow has failed")


def test_a_shadow_model_that_cannot_follow_leaves_images_out(folder: Path) -> None:
    settings = settings_for(folder, shadow_model="large", shadow_share=1.0)
    with serving(settings) as live, gated(live.model("large")) as session:
        for _ in range(6):  # one in work, four that wait
            assert answer(live.classify(photo("red"))).model == "colours"
        wait_until(lambda: shadowed(live, "left_out"), "one was left out")
        session.gate.set()


def test_without_a_share_there_is_no_shadow(folder: Path) -> None:
    with serving(settings_for(folder, shadow_model="large")) as live:
        assert live.context.shadow is None
