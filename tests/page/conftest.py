"""A browser, servers with small models, and pages whose every request is looked at."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

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


@pytest.fixture(scope="session")
def tabs(browser: Browser) -> Callable[[dict[str, Any]], Page]:
    """Return the browser's tab with some options; a new one costs more than most tests."""
    known: dict[str, Page] = {}

    def tab(options: dict[str, Any]) -> Page:
        key = repr(sorted(options.items()))
        if key not in known:
            known[key] = browser.new_context(**options).new_page()
        return known[key]

    return tab


@pytest.fixture
def open_page(tabs: Callable[[dict[str, Any]], Page], server: LiveServer) -> Iterator[OpenPage]:
    """Open the page of a server in a tab with some options; its end checks what it asked for.

    A test that changes its tab for good names an option that no other has.
    """
    visits: list[Visit] = []

    def opened(at: LiveServer = server, **options: Any) -> Visit:
        visits.append(Visit(tabs(options), at))
        return visits[-1]

    yield opened
    for visit in visits:
        visit.close()


@pytest.fixture
def visit(open_page: OpenPage) -> Visit:
    return open_page()
