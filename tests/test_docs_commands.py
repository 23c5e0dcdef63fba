"""What docs/clients.md and docs/choosing.md tell to type does what it says, on our models."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.settings import Settings
from tests.support.server import LiveServer, serving

ROOT = Path(__file__).parent.parent
CLIENTS, CHOOSING = (
    (ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("clients.md", "choosing.md")
)
DEFAULT_URL = "http://127.0.0.1:8000"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def commands(page: str) -> list[str]:
    return [line for block in blocks(page, "sh") for line in block.strip().splitlines()]


@pytest.fixture(scope="module")
def shipped() -> Iterator[LiveServer]:
    with serving(Settings(port=0, model_repository=ROOT / "model_repository")) as server:
        yield server


def run(arguments: list[str]) -> str:
    done = subprocess.run(
        arguments, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_python(example: str, server: LiveServer) -> str:
    return run([sys.executable, "-c", example.replace(DEFAULT_URL, server.url)])


@pytest.mark.parametrize("command", commands(CLIENTS) + commands(CHOOSING))
def test_commands_are_answered(command: str, shipped: LiveServer) -> None:
    program, *arguments = shlex.split(command.replace(DEFAULT_URL, shipped.url))
    if program == "curl":
        answer = run([program, "--fail", "--silent", "--show-error", *arguments])
    else:
        assert program == ".venv/bin/featherbox"
        answer = run([sys.executable, "-m", "service.cli", *arguments])
    assert ("squeezenet1_1-int8" if "bench" in arguments else "Egyptian cat") in answer


def test_the_example_in_python_prints_the_labels(shipped: LiveServer) -> None:
    printed = run(
        [sys.executable, "-c", blocks(CLIENTS, "python")[0].replace(DEFAULT_URL, shipped.url)]
    )
    assert re.findall(r"^0\.\d{3} (.*)$", printed, re.MULTILINE) == [
        "Egyptian cat", "tiger cat", "tabby cat",
    ]  # fmt: skip


def test_the_example_of_errors_prints_what_is_wrong(shipped: LiveServer) -> None:
    printed = run(
        [sys.executable, "-c", blocks(CLIENTS, "python")[1].replace(DEFAULT_URL, shipped.url)]
    )
    assert printed.startswith("415 unsupported_media_type The bytes are no image")
