"""The commands and the program of docs/protocol-v2.md do what it says, on the models that ship."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from service.settings import Settings
from tests.support.process import ROOT
from tests.support.server import LiveServer, serving

PAGE = (ROOT / "docs/protocol-v2.md").read_text(encoding="utf-8")
ADDRESS = "127.0.0.1:8000"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def shipped() -> Iterator[LiveServer]:
    with serving(Settings(port=0, model_repository=ROOT / "model_repository")) as server:
        yield server


def run(server: LiveServer, *command: str) -> str:
    here = [part.replace(ADDRESS, f"127.0.0.1:{server.port}") for part in command]
    done = subprocess.run(here, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("command", blocks("sh"))
def test_commands_are_answered(command: str, shipped: LiveServer) -> None:
    answer = run(shipped, "bash", "-c", command.replace("curl ", "curl --fail -sS --max-time 20 "))
    assert "error" not in json.loads(answer)


def test_the_answer_shown_is_the_one_given(shipped: LiveServer) -> None:
    (shown,) = (json.loads(text) for text in blocks("json"))
    (command,) = (command for command in blocks("sh") if "classification" in command)
    given = json.loads(run(shipped, "bash", "-c", command.replace("curl ", "curl --fail -sS ")))
    said, got = (document["outputs"][0].pop("data") for document in (shown, given))
    assert shown == given
    assert [text.partition(":")[2] for text in said] == [text.partition(":")[2] for text in got]


def test_the_program_prints_labels(shipped: LiveServer) -> None:
    (program,) = blocks("python")
    assert "285:Egyptian cat" in run(shipped, sys.executable, "-c", program)


def test_every_route_is_in_the_table(shipped: LiveServer) -> None:
    named = set(re.findall(r"`(?:GET |POST )?(/v2[^` ]*)`", PAGE.partition("## What goes in")[0]))
    paths = shipped.client.get("/openapi.json").json()["paths"]
    found = {path.replace("{name}", "NAME") for path in paths if "{version}" not in path}
    found = {path for path in found if path.startswith("/v2")}
    assert found - {"/v2/repository/models/NAME/unload"} == named - {"/v2"} | {"/v2"}
