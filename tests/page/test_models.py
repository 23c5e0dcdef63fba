"""The table of models, the plot of their trade-off, and the latency as it is now."""

import itertools
import random
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from service.engine.artifact import LoadedModel, load_artifact
from service.engine.session import SessionOptions
from tests.page.conftest import OpenPage
from tests.page.visit import RED, Visit
from tests.support.artifacts import edit_manifest, write_artifact
from tests.support.server import serving, settings_for

Point = dict[str, float]


def test_the_table_has_what_models_answers(visit: Visit) -> None:
    visit.arrive()
    (model, _) = visit.server.client.get("/models").json()["models"]
    row = visit.find("tr[data-model=colours]")
    cells = dict(
        row.locator("td").evaluate_all("cells => cells.map(c => [c.dataset.label, c.innerText])")
    )
    assert cells["File"].startswith(f"{model['file_bytes']}\u00a0bytes")
    assert cells["Agreement"].split("\n")[0] == "97.0\u00a0%"
    assert "180 photos" in cells["Agreement"]
    assert cells["Runs on"] == "CPU"
    assert cells["Top-1"] == "\u2013"  # nobody measured it
    shown_ms = float(cells["Inference alone"].split("\u00a0")[0])
    assert shown_ms == pytest.approx(model["benchmark"]["batch1_ms"], abs=0.0051)
    expect(row.locator("th .chip")).to_have_text("default")
    expect(visit.find("tr[data-model='colours-int8'] th small")).to_contain_text("int8, version 1")
    expect(visit.find("#host")).to_contain_text(visit.server.context.host.onnxruntime)


def test_the_warnings_of_a_model_stand_below_it(open_page: OpenPage, tmp_path: Path) -> None:
    folder = write_artifact(tmp_path)
    selftest = {"index": 0, "label": "red", "probability": 0.5, "tolerance": 0.01}
    edit_manifest(folder, selftest=selftest, precision="int8")
    with serving(settings_for(tmp_path), wait_ready=False) as live:
        visit = open_page(live)
        visit.page.goto(live.url)
        expect(visit.find("tr.remarks p")).to_have_count(1)
        model = live.client.get("/models/colours").json()
        expect(visit.find("tr.remarks p")).to_have_text([*model["warnings"], model["reason"]][:1])


def test_models_that_load_are_waited_for(
    open_page: OpenPage, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()

    def load_later(folder: Path, options: SessionOptions) -> LoadedModel:
        assert gate.wait(30)
        return load_artifact(folder, options)

    monkeypatch.setattr("service.engine.served.load_artifact", load_later)
    with serving(settings_for(repository), wait_ready=False) as live:
        visit = open_page(live)
        visit.page.goto(live.url)
        expect(visit.find("#status-text")).to_have_text("Loading 2 of 2 models")
        expect(visit.find("#model")).to_be_disabled()
        gate.set()
        expect(visit.find("#status-text")).to_have_text("2 models ready")
        expect(visit.find("#model")).to_be_enabled()


def test_auto_can_be_chosen_and_the_answer_says_why(visit: Visit) -> None:
    visit.arrive()
    visit.find("#model").select_option("auto")
    visit.pick(RED)
    expect(visit.find(".answer .version")).to_contain_text("chosen by the server: most accurate")


def test_the_plot_has_every_model_and_marks_the_front(visit: Visit) -> None:
    visit.arrive()
    expect(visit.find("#measure option")).to_have_text(["agreement with fp32"])
    points = visit.chart("tradeoff-chart", "chart.data.datasets[1].data.map(d => d.point)")
    models = {m["name"]: m for m in visit.server.client.get("/models").json()["models"]}
    assert {p["name"] for p in points} == models.keys()
    for point in points:
        assert point["latency"] == models[point["name"]]["benchmark"]["batch1_ms"]
        assert point["size"] == models[point["name"]]["file_bytes"]
        assert point["accuracy"] == 0.97
    fastest = min(points, key=lambda p: float(p["latency"]))["name"]
    said = visit.find("#tradeoff-chart").get_attribute("aria-label") or ""
    assert fastest in said.partition("On the Pareto front:")[2]
    expect(visit.find("#tradeoff-note")).to_contain_text("Measured on 180 photos")


def beaten(b: Point, points: list[Point]) -> bool:
    def goods(p: Point) -> tuple[float, float, float]:
        return (p["accuracy"], -p["latency"], -p["size"])

    return any(
        all(x >= y for x, y in zip(goods(a), goods(b), strict=True)) and goods(a) != goods(b)
        for a in points
    )


def test_the_front_is_what_nothing_beats(visit: Visit) -> None:
    visit.arrive()
    dice = random.Random(0)
    clouds: list[list[Point]] = [
        [{k: dice.randint(1, 6) for k in ("accuracy", "latency", "size")} for _ in range(n)]
        for n in range(1, 25)
    ]
    result: list[Any] = visit.page.evaluate(
        """async (clouds) => {
            const at = document.querySelector("script[type=module]").src;
            const {paretoFront, staircase} = await import(new URL("pareto.js", at));
            return clouds.map((points) => [paretoFront(points), staircase(points)]);
        }""",
        clouds,
    )
    for points, (front, stairs) in zip(clouds, result, strict=True):
        assert front == [p for p in points if not beaten(p, points)]
        for slower, faster in itertools.pairwise(reversed(stairs)):
            assert slower["latency"] > faster["latency"]
            assert slower["accuracy"] > faster["accuracy"]
        assert stairs[-1]["accuracy"] == max(p["accuracy"] for p in points)


def test_an_answer_is_at_once_in_the_live_latency(visit: Visit) -> None:
    visit.arrive().pick(RED)
    visit.sees("red")
    expect(visit.find("#stages-now .head")).to_contain_text("Median of")
    expect(visit.find("#latency-chart")).to_have_attribute("aria-label", _said_of("colours"))
    own = visit.chart("latency-chart", "chart.data.datasets[3].data.map(d => d.y)")
    assert len(own) == 1
    lines = visit.chart("latency-chart", "chart.data.datasets.map(d => [d.label, d.data.length])")
    assert [label for label, _ in lines] == ["p50", "p90", "p99", "yours"]
    assert all(length >= 1 for _, length in lines)
    expect(visit.find("tr[data-model=colours] td[data-label=Served]")).to_contain_text("p99")


def _said_of(model: str) -> re.Pattern[str]:
    figures = ", ".join(rf"{p} [\d.]+.ms" for p in ("p50", "p90", "p99"))
    return re.compile(rf"Total latency of {model}: {figures}, \d+ images?")


def test_latency_is_asked_for_now_and_then_and_not_while_paused_or_hidden(
    open_page: OpenPage,
) -> None:
    visit = open_page(locale="en-GB")  # whose clock is ours from here on
    visit.page.clock.install()
    visit.arrive()

    def polls_in(milliseconds: int) -> int:
        before = len(visit.asked("/latency"))
        for _ in range(milliseconds // 1000):
            visit.page.clock.run_for(1000)
            visit.page.evaluate("fetch('livez').then(r => r.text())")  # what was asked is answered
        return len(visit.asked("/latency")) - before

    assert 2 <= polls_in(16_000) <= 4
    visit.find("#pause").click()
    expect(visit.find("#pause")).to_have_attribute("aria-pressed", "true")
    assert polls_in(16_000) <= 1  # one may have been under way
    visit.find("#pause").click()
    assert polls_in(6_000) >= 1
    hide = (
        "Object.defineProperty(document, 'hidden', {value: %s, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    visit.page.evaluate(hide % "true")
    assert polls_in(16_000) <= 1
    visit.page.evaluate(hide % "false")
    assert polls_in(6_000) >= 1
