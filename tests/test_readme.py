"""The README's commands do what it says, on the models that ship."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.engine.manifest import read_manifest
from service.settings import Settings
from tests.support.server import LiveServer, serving

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.strip().splitlines()
]
MODULES = {"featherbox": "service.cli", "featherbox-export": "export_tools.cli"}


def commands_of(program: str) -> list[str]:
    """Return the README's commands that run a program, wherever it is installed."""
    return [line for line in COMMANDS if shlex.split(line)[0].rsplit("/", 1)[-1] == program]


@pytest.fixture(scope="module")
def shipped() -> Iterator[LiveServer]:
    settings = Settings(port=0, model_repository=ROOT / "model_repository")
    with serving(settings) as server:
        yield server


@pytest.mark.parametrize("command", commands_of("curl"))
def test_curl_commands_are_answered(command: str, shipped: LiveServer) -> None:
    here = command.replace("http://127.0.0.1:8000", shipped.url)
    done = subprocess.run(
        [*shlex.split(here), "--fail", "--silent", "--show-error", "--max-time", "20"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_answer_shown_is_the_one_given(shipped: LiveServer) -> None:
    shown = json.loads(re.findall(r"```json\n(.*?)```", README, re.DOTALL)[0])
    cat = (ROOT / "tests/data/cat.jpg").read_bytes()
    given = shipped.classify(cat, top_k=3).json()
    assert shown.keys() == given.keys()
    assert shown["timings_ms"].keys() == given["timings_ms"].keys()
    assert shown["model"] == given["model"]
    for said, got in zip(shown["predictions"], given["predictions"], strict=True):
        assert said["label"] == got["label"]
        assert said["index"] == got["index"]
        assert said["probability"] == pytest.approx(got["probability"], abs=0.02)


@pytest.mark.parametrize(
    "folder", sorted((ROOT / "model_repository").glob("*/1")), ids=lambda path: path.parent.name
)
def test_the_table_of_models_is_that_of_the_manifests(folder: Path) -> None:
    manifest = read_manifest(folder)
    rows = [line for line in README.splitlines() if line.startswith(f"| `{manifest.name}`")]
    if manifest.name == "efficientnet_lite0":  # built by `make artifacts`, not shipped
        assert not rows
        return
    _, _, *cells, _ms, _ = (cell.strip() for cell in rows[0].split("|"))
    quality = manifest.quality
    facts = (
        *(f"{fact:,}" for fact in (manifest.file_bytes, manifest.parameters, manifest.macs)),
        *(quality.top1, quality.agreement, quality.agreement_sure, quality.agreement_images),
    )
    assert cells == ["-" if fact is None else str(fact) for fact in facts]


@pytest.mark.parametrize("command", commands_of("featherbox") + commands_of("featherbox-export"))
def test_our_own_commands_succeed(command: str) -> None:
    program, *arguments = shlex.split(command)
    module = MODULES[program.rsplit("/", 1)[-1]]
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("command", commands_of("make"))
def test_the_makefile_has_the_doors(command: str) -> None:
    done = subprocess.run(
        [*shlex.split(command), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_kind_of_command_is_tried() -> None:
    tried = {"curl", "make", "docker", "openssl", *MODULES}
    assert {shlex.split(line)[0].rsplit("/", 1)[-1] for line in COMMANDS} == tried


@pytest.mark.parametrize(
    "page",
    sorted([ROOT / "README.md", *ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]),
    ids=lambda p: p.name,
)
def test_relative_links_resolve(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing
