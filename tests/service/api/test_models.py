"""GET /models, /models/{name} and /latency."""

import math
from pathlib import Path

import pytest

from benchmarks.reliability.files.graphs import with_custom_domain
from service.api.model_schemas import LatencyBody, ModelBody, ModelsBody
from service.engine.manifest import MODEL_FILE, read_manifest
from service.engine.pipeline import STAGES
from tests.support.artifacts import write_artifact
from tests.support.images import photo
from tests.support.server import LiveServer, serving, settings_for
from tests.support.waiting import wait_until


def listed(server: LiveServer) -> ModelsBody:
    return ModelsBody.model_validate_json(server.client.get("/models").content)


def test_all_models_are_listed_with_the_default_and_the_box(server: LiveServer) -> None:
    body = listed(server)
    assert body.default == "colours"
    assert [(model.name, model.version) for model in body.models] == [
        ("another", "1"),
        ("colours", "2"),
    ]
    assert body.host.cpus > 0
    assert body.host.onnxruntime


def test_a_model_shows_the_facts_of_its_manifest(server: LiveServer, repository: Path) -> None:
    manifest = read_manifest(repository / "colours" / "2")
    shown = ModelBody.model_validate_json(server.client.get("/models/colours").content)
    assert shown.state == "ready"
    assert (shown.reason, shown.warnings) == (None, [])
    assert shown.architecture == manifest.architecture
    assert shown.precision == manifest.precision
    assert (shown.parameters, shown.macs) == (manifest.parameters, manifest.macs)
    assert shown.file_bytes == (repository / "colours" / "2" / MODEL_FILE).stat().st_size
    assert shown.sha256 == manifest.files[MODEL_FILE].sha256
    assert shown.classes == 3
    assert shown.input is not None
    assert (shown.input.height, shown.input.width) == (24, 32)
    assert shown.quality is not None
    assert (shown.quality.agreement, shown.quality.agreement_images) == (0.97, 180)
    assert shown.quality.top1 is None
    assert (shown.licence, shown.weights_source) == ("MIT", "made for tests")


def test_a_model_shows_what_was_measured_on_this_box(server: LiveServer) -> None:
    shown = ModelBody.model_validate_json(server.client.get("/models/colours").content)
    assert shown.load_ms is not None
    assert shown.load_ms > 0
    assert shown.benchmark is not None
    assert shown.benchmark.batch1_ms > 0
    assert shown.provider.requested == ["CPUExecutionProvider"]
    assert shown.provider.in_use == "CPUExecutionProvider"


def test_one_model_is_shown_as_in_the_list(server: LiveServer) -> None:
    in_list = {model.name: model for model in listed(server).models}
    for reference in ("colours", "colours:2"):
        shown = server.client.get(f"/models/{reference}").content
        assert ModelBody.model_validate_json(shown) == in_list["colours"]


@pytest.mark.parametrize(
    "name",
    ["missing", "colours:1", "%2e%2e", "..%2f..%2fetc", "%00", "x" * 5000, "%F0%9F%90%88", " .."],
)
def test_an_unknown_model_is_not_found(server: LiveServer, name: str) -> None:
    response = server.client.get(f"/models/{name}")
    assert response.status_code == 404
    assert response.json()["code"] in {"model_not_found", "not_found"}
    assert name not in response.text


def test_a_failed_model_is_listed_with_its_reason_and_the_others_serve(tmp_path: Path) -> None:
    write_artifact(tmp_path, "colours")
    write_artifact(tmp_path, "broken", graph=with_custom_domain())
    with serving(settings_for(tmp_path)) as live:
        broken, colours = listed(live).models
        assert (broken.name, broken.state) == ("broken", "failed")
        assert "com.example" in (broken.reason or "")
        assert (broken.architecture, broken.provider.in_use) == (None, None)
        assert colours.state == "ready"
        assert live.classify(photo("blue")).is_success


def test_another_provider_than_was_asked_for_is_visible(repository: Path) -> None:
    settings = settings_for(
        repository, providers=["AbacusExecutionProvider"], allow_provider_fallback=True
    )
    with serving(settings) as live:
        shown = ModelBody.model_validate_json(live.client.get("/models/colours").content)
        assert live.classify(photo("red")).is_success
    assert shown.provider.requested == ["AbacusExecutionProvider"]
    assert shown.provider.in_use == "CPUExecutionProvider"
    assert "AbacusExecutionProvider was asked for" in shown.warnings[0]


def latency(server: LiveServer) -> LatencyBody:
    return LatencyBody.model_validate_json(server.client.get("/latency").content)


def test_latency_counts_every_image_and_agrees_with_the_answers(repository: Path) -> None:
    with serving(settings_for(repository)) as live:
        assert latency(live).models["colours"].count == 0
        answers = [live.classify(photo()).json()["timings_ms"] for _ in range(20)]
        results = live.batch(photo(), photo(), b"text").json()["results"]
        answers += [result["timings_ms"] for result in results if "timings_ms" in result]
        body = latency(live)
    assert body.window_seconds == 300
    assert (body.models["colours"].count, body.models["another"].count) == (22, 0)
    for stage in STAGES:
        found = getattr(body.models["colours"], stage)
        exact = sorted(answer[stage] for answer in answers)
        for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
            wanted = exact[math.ceil(share * len(exact)) - 1]
            # two per cent, and below a hundredth of a millisecond is nothing
            assert getattr(found, name) == pytest.approx(wanted, rel=0.03, abs=0.011)


def test_requests_that_were_refused_are_not_in_the_latency(repository: Path) -> None:
    with serving(settings_for(repository)) as live:
        for data in (b"", b"text", photo()[:60]):
            assert live.classify_raw(data).is_client_error
        assert latency(live).models["colours"].count == 0
        assert live.client.get("/models/colours").json()["latency_ms"] == {
            "count": 0, "inference": None, "total": None,
        }  # fmt: skip


def test_the_list_and_the_latency_agree(server: LiveServer) -> None:
    server.classify(photo(), model="another")
    wait_until(lambda: server.context.pool.in_flight == 0, "nothing is under way")
    in_list = {model.name: model for model in listed(server).models}["another"].latency_ms
    alone = latency(server).models["another"]
    assert in_list.count == alone.count
    assert (in_list.inference, in_list.total) == (alone.inference, alone.total)
