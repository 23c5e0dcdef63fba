"""docs/api.md is what the code says, and its examples are answered as it says."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.api_page import markdown
from service.app import create_app
from service.settings import Settings
from tests.support.process import ROOT
from tests.support.server import LiveServer, serving

PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## `([^`]+)`\n(.*?)(?=^## )", PAGE, re.DOTALL | re.MULTILINE))
EXAMPLES = {
    route: command
    for route, text in SECTIONS.items()
    for command in re.findall(r"```sh\n(.*?)\n```", text)
}
TOKEN = "t" * 32


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    file = tmp_path_factory.mktemp("tokens") / "admin"
    file.write_text(TOKEN)
    settings = Settings(
        port=0, model_repository=ROOT / "model_repository", models="squeezenet1_1-int8",
        admin_token_file=file,
    )  # fmt: skip
    with serving(settings) as server:
        yield server


def test_the_page_is_what_the_code_says() -> None:
    document = create_app(Settings(model_repository=ROOT / "model_repository")).openapi()
    assert markdown(document) == PAGE, "python -m service.api_page > docs/api.md"
    routes = {f"{m.upper()} {path}" for path, it in document["paths"].items() for m in it}
    assert {route.replace("/versions/{version}", "") for route in routes} == SECTIONS.keys()


def test_every_route_that_does_something_has_an_example() -> None:
    assert {route for route in SECTIONS if route not in EXAMPLES} == {
        f"POST /v2/repository/models/{{name}}/{what}" for what in ("load", "unload")
    }


@pytest.mark.parametrize("route", EXAMPLES)
def test_examples_are_answered(route: str, shipped: LiveServer, tmp_path: Path) -> None:
    command = EXAMPLES[route].replace("http://127.0.0.1:8000", shipped.url)
    command = command.replace("TOKEN", TOKEN)
    asked = ["-sS", "-o", str(tmp_path / "answer"), "-w", "%{http_code}", "--max-time", "20"]
    done = subprocess.run(
        ["bash", "-c", command.replace("curl ", f"curl {shlex.join(asked)} ")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "200", done.stderr or (tmp_path / "answer").read_text()


def test_links_within_the_page_resolve() -> None:
    headings = {text.lower() for text in re.findall(r"^#+ (\w+)$", PAGE, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= headings
