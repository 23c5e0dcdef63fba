"""CI does what a developer does, with actions pinned by commit and no rights that it needs not."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.process import ROOT

FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def steps(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in document["jobs"].values() for step in job["steps"]]


def test_both_workflows_are_there() -> None:
    assert [path.name for path in FILES] == ["ci.yml", "release.yml"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_action_is_pinned_by_commit_with_its_version(path: Path) -> None:
    uses = re.findall(r"uses: (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert uses
    for used in uses:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used), used


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_rights_are_read_only_but_where_a_job_says_so_and_jobs_end(path: Path) -> None:
    document = read(path)
    assert document["permissions"] == {"contents": "read"}
    for name, job in document["jobs"].items():
        assert job["timeout-minutes"] <= 60, name
        assert path.name == "release.yml" or "permissions" not in job
    for step in steps(document):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_text_of_an_event_is_put_into_a_script(path: Path) -> None:
    for step in steps(read(path)):
        assert "${{" not in step.get("run", "").replace("${{ matrix.python }}", ""), step


def test_ci_runs_what_developers_run_on_every_python() -> None:
    document = read(ROOT / ".github" / "workflows" / "ci.yml")
    assert document["jobs"]["check"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    runs = "\n".join(step.get("run", "") for path in FILES for step in steps(read(path)))
    called = {word for line in re.findall(r"\bmake ([^\n]+)", runs) for word in line.split()}
    wanted = {word for word in called if re.fullmatch(r"[a-z-]+", word)}
    assert {"check", "sbom", "audit"} <= wanted <= TARGETS


def test_dependabot_watches_packages_image_and_actions() -> None:
    document = read(ROOT / ".github" / "dependabot.yml")
    watched = {update["package-ecosystem"] for update in document["updates"]}
    assert watched == {"pip", "docker", "github-actions"}
