"""GET /metrics: names, numbers, and labels that no client can invent."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from service.engine.manifest import MODEL_FILE
from service.engine.pipeline import STAGES
from tests.support.artifacts import write_artifact
from tests.support.images import photo
from tests.support.server import LiveServer, serving, settings_for

EVIL = "evil-name"


@pytest.fixture
def fresh_server(repository: Path) -> Iterator[LiveServer]:
    """Return a server that has counted nothing but its own health."""
    with serving(settings_for(repository)) as live:
        yield live


def families(server: LiveServer) -> dict[str, Metric]:
    response = server.client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {family.name: family for family in text_string_to_metric_families(response.text)}


def value(server: LiveServer, sample: str, **labels: str) -> float:
    """Return the sum of all samples of a name that have these labels."""
    return sum(
        found.value
        for family in families(server).values()
        for found in family.samples
        if found.name == sample and labels.items() <= found.labels.items()
    )


def test_every_name_has_the_prefix_and_a_description(server: LiveServer) -> None:
    for name, family in families(server).items():
        assert name.startswith(("featherbox_", "process_"))
        assert family.documentation


def test_requests_are_counted_by_route_model_and_status(fresh_server: LiveServer) -> None:
    for _ in range(3):
        fresh_server.classify(photo())
    fresh_server.classify(photo(), model="another")
    fresh_server.classify(b"text")
    fresh_server.batch(photo(), photo())
    fresh_server.client.get("/models/colours")
    total = "featherbox_requests_total"
    route = "/classify"
    assert value(fresh_server, total, route=route, model="colours", status="200") == 3
    assert value(fresh_server, total, route=route, model="another", status="200") == 1
    assert value(fresh_server, total, route=route, model="colours", status="415") == 1
    assert value(fresh_server, total, route="/classify/batch", status="200") == 1
    assert value(fresh_server, total, route="/models/{name}", status="200") == 1


def test_errors_are_counted_by_their_code(fresh_server: LiveServer) -> None:
    fresh_server.classify(b"text")
    fresh_server.classify(b"text")
    fresh_server.classify(photo(), top_k=0)
    total = "featherbox_errors_total"
    assert value(fresh_server, total, code="unsupported_media_type") == 2
    assert value(fresh_server, total, code="invalid_parameter") == 1
    assert value(fresh_server, total) == 3


def test_every_image_is_in_every_stage_and_the_sums_are_those_of_the_answers(
    fresh_server: LiveServer,
) -> None:
    answers = [fresh_server.classify(photo()).json()["timings_ms"] for _ in range(4)]
    results = fresh_server.batch(photo(), photo(), b"text").json()["results"]
    answers += [result["timings_ms"] for result in results if "timings_ms" in result]
    name = "featherbox_stage_duration_seconds"
    for stage in STAGES:
        found = value(fresh_server, f"{name}_count", model="colours", stage=stage)
        assert found == len(answers) == 6
        seconds = value(fresh_server, f"{name}_sum", model="colours", stage=stage)
        assert seconds == pytest.approx(sum(a[stage] for a in answers) / 1e3, abs=1e-5)


def test_models_are_shown_with_their_state(tmp_path: Path) -> None:
    folder = write_artifact(tmp_path, "colours")
    (write_artifact(tmp_path, "broken") / MODEL_FILE).write_bytes(b"damaged")
    with serving(settings_for(tmp_path)) as live:
        assert value(live, "featherbox_model_ready", model="colours") == 1
        assert value(live, "featherbox_model_ready", model="broken") == 0
        size = value(live, "featherbox_model_file_bytes", model="colours")
        assert size == (folder / MODEL_FILE).stat().st_size
        assert value(live, "featherbox_model_load_seconds", model="colours") > 0
        info = families(live)["featherbox_model_info"].samples
    assert [(s.labels["model"], s.labels["version"], s.labels["provider"]) for s in info] == [
        ("colours", "1", "CPUExecutionProvider")
    ]


def test_the_pool_is_shown(server: LiveServer) -> None:
    pool = server.context.pool
    assert value(server, "featherbox_worker_threads") == pool.threads == 2
    assert value(server, "featherbox_queue_capacity_images") == pool.capacity == 66
    assert value(server, "featherbox_queue_waiting_images") == 0


def ask_with(name: str, server: LiveServer) -> None:
    """Put a name wherever a client can put one."""
    client = server.client
    server.classify(photo(), model=name)
    server.classify(photo(), model=f"colours:{name}")
    server.classify_raw(photo(), {"content-type": f"image/{name}", "x-request-id": name})
    client.get(f"/models/{name}")
    client.get(f"/{name}")
    client.request("PURGE", f"/classify/{name}", headers={name: name})
    client.post("/classify", files={"image": (name, photo()), name: (name, b"x")})
    client.post(f"/classify?{name}=1", content=photo())


def test_nothing_that_a_client_names_becomes_a_label(fresh_server: LiveServer) -> None:
    ask_with(f"{EVIL}-first", fresh_server)
    fresh_server.client.get("/metrics")
    before = fresh_server.client.get("/metrics").text
    for i in range(5):
        ask_with(f"{EVIL}-{i}", fresh_server)
    after = fresh_server.client.get("/metrics").text
    assert EVIL not in after
    assert after.count("\n") == before.count("\n"), "more requests made more time series"
    routes = {s.labels["route"] for s in families(fresh_server)["featherbox_requests"].samples}
    assert routes == {"/classify", "/models/{name}", "/readyz", "/metrics", "unmatched"}
