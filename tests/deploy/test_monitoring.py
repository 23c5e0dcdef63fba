"""Dashboard and alerts ask for metrics and labels that a server really shows."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from service.app import create_app
from tests.support.artifacts import write_artifact
from tests.support.images import photo
from tests.support.process import ROOT
from tests.support.server import serving, settings_for

DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
DASHBOARD = json.loads((DEPLOY / "grafana/dashboards/featherbox.json").read_text(encoding="utf-8"))
RULES = yaml.safe_load((DEPLOY / "prometheus/rules.yml").read_text(encoding="utf-8"))
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
ADDED_BY_PROMETHEUS = {"instance", "job", "le"}


def expressions() -> Iterator[tuple[str, str]]:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", target["expr"]
    for rule in ALERTS:
        yield rule["alert"], rule["expr"]


EXPRESSIONS = dict(expressions())


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Return the label names of every sample that a server with some traffic shows."""
    folder = tmp_path_factory.mktemp("models")
    write_artifact(folder)
    with serving(settings_for(folder)) as live:
        live.classify(photo())
        text = live.client.get("/metrics").text
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_what_is_asked_for_is_shown(shown: dict[str, set[str]], expression: str) -> None:
    asked = re.findall(r"\b((?:featherbox|process)_[a-z_]+)(?:\{([^}]*)\})?", expression)
    assert asked or expression.startswith("up{")
    for name, selector in asked:
        assert name in shown
        wanted = set(re.findall(r"(\w+)[=!]", selector))
        assert wanted <= shown[name] | ADDED_BY_PROMETHEUS, name


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_the_codes_and_routes_that_are_asked_for_exist(expression: str, tmp_path: Path) -> None:
    codes = set(re.findall(r'code="(\w+)"', expression))
    table = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    assert codes <= set(re.findall(r"^\| \d{3} \| `(\w+)`", table, re.MULTILINE))
    for pattern in re.findall(r'route=~"([^"]+)"', expression):
        write_artifact(tmp_path)
        app = create_app(settings_for(tmp_path))
        app.state.context.pool.close()
        found = {path for path in app.openapi()["paths"] if re.fullmatch(pattern, path)}
        assert found >= {"/classify", "/classify/batch", "/v2/models/{name}/infer"}


def test_a_failure_is_counted_from_zero(tmp_path: Path) -> None:
    write_artifact(tmp_path)
    with serving(settings_for(tmp_path)) as live:
        text = live.client.get("/metrics").text
    for code in {found for e in EXPRESSIONS.values() for found in re.findall(r'code="(\w+)"', e)}:
        assert f'featherbox_errors_total{{code="{code}"}} 0.0' in text


def test_every_alert_says_what_happened_and_how_bad_it_is() -> None:
    assert len({rule["alert"] for rule in ALERTS}) == len(ALERTS)
    for rule in ALERTS:
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"].endswith(".")


def test_the_panels_are_all_there_and_apart() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def mounted(service: str) -> dict[str, Path]:
    """Return the files of ours that a service of the profile sees, by where it sees them."""
    volumes = (volume.split(":") for volume in COMPOSE["services"][service]["volumes"])
    return {volume[1]: ROOT / volume[0] for volume in volumes if volume[0].startswith(".")}


def test_the_profile_leads_from_the_server_to_the_dashboard() -> None:
    parts: dict[str, Any] = COMPOSE["services"]
    assert "profiles" not in parts["featherbox"]
    for service in ("prometheus", "grafana"):
        assert parts[service]["profiles"] == ["monitoring"]
        assert all(port.startswith("127.0.0.1:") for port in parts[service]["ports"])
        assert all(path.exists() for path in mounted(service).values())
    prometheus = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
    assert prometheus["rule_files"][0] in mounted("prometheus")
    (job,) = prometheus["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["featherbox:8000"]}]
    provisioning = DEPLOY / "grafana/provisioning"
    source = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text("utf-8"))
    assert source["datasources"][0]["url"] == "http://prometheus:9090"
    boards = yaml.safe_load((provisioning / "dashboards/featherbox.yml").read_text("utf-8"))
    assert boards["providers"][0]["options"]["path"] in mounted("grafana")
