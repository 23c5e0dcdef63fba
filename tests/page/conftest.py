"""A browser, servers with small models, and pages whose every request is looked at."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.page.chromium import require_chromium
from tests.page.visit import Visit
from tests.support.artifacts import write_artifact
from tests.support.server import LiveServer, serving, settings_for

# Nothing but this box can be reached, whatever the page tries.
_OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"

OpenPage = Callable[..., Visit]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=require_chromium(), args=[_OFFLINE])
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    write_artifact(folder, "colours")
    write_artifact(folder, "colours-int8", precision="int8")
    return folder


@pytest.fixture(scope="session")
def server(repository: Path) -> Iterator[LiveServer]:
    with serving(settings_for(repository)) as live:
        yield live


@pytest.fixture
def open_page(browser: Browser, server: LiveServer) -> Iterator[OpenPage]:
    """Open the page of a server in a context of its own; its end checks what it asked for."""
    visits: list[Visit] = []

    def opened(at: LiveServer = server, **options: Any) -> Visit:
        visits.append(Visit(browser, at, options))
        return visits[-1]

    yield opened
    for visit in visits:
        visit.close()


@pytest.fixture
def visit(open_page: OpenPage) -> Visit:
    return open_page()
