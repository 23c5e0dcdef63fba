"""/docs: Swagger UI as its makers published it, loaded from this server alone."""

import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import pytest

from service.api.pages import STATIC
from tests.support.images import photo
from tests.support.server import LiveServer, serving, settings_for

VENDORED = STATIC / "swagger-ui"
VERSION = "5.35.0"


class Links(HTMLParser):
    """Collects what a page loads, and scripts and styles inside it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.inline: list[str] = []
        self._open = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loaded += [value or "" for name, value in attrs if name in {"src", "href", "data"}]
        self.inline += [name for name, _ in attrs if name == "style" or name.startswith("on")]
        self._open = tag

    def handle_data(self, data: str) -> None:
        if self._open in {"script", "style"} and data.strip():
            self.inline.append(data)


def policy_of(header: str) -> dict[str, list[str]]:
    return {name: sources for name, *sources in (part.split() for part in header.split(";"))}


def test_the_page_loads_everything_from_this_server(server: LiveServer) -> None:
    page = server.client.get("/docs")
    links = Links(page.text)
    assert links.inline == []
    wanted = [urljoin("/docs", link) for link in links.loaded if not link.startswith("data:")]
    assert wanted == ["/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js", "/docs/docs.js"]
    for path in wanted:
        answer = server.client.get(path)
        assert answer.is_success
        assert answer.headers["x-content-type-options"] == "nosniff"
        kind = "text/css" if path.endswith(".css") else "text/javascript"
        assert answer.headers["content-type"].partition(";")[0] == kind


def test_the_policy_of_the_page_forbids_every_other_server(server: LiveServer) -> None:
    headers = server.client.get("/docs").headers
    policy = policy_of(headers["content-security-policy"])
    assert policy["default-src"] == ["'none'"]
    assert policy["script-src"] == policy["connect-src"] == ["'self'"]
    assert policy["frame-ancestors"] == ["'none'"]
    named = {source for sources in policy.values() for source in sources}
    assert named <= {"'none'", "'self'", "data:", "'unsafe-inline'"}
    assert headers["referrer-policy"] == "no-referrer"


def test_our_script_shows_our_document_and_asks_no_validator(server: LiveServer) -> None:
    script = server.client.get("/docs/docs.js").text
    (options,) = re.findall(r"SwaggerUIBundle\((\{.*\})\)", script)
    read = json.loads(re.sub(r"(\w+):", r'"\1":', options))
    assert read["validatorUrl"] is None
    assert server.client.get(urljoin("/docs", read["url"])).json()["openapi"]


def test_the_files_are_those_of_the_recorded_release() -> None:
    lines = (VENDORED / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    sums = {name: digest for digest, name in (line.split() for line in lines)}
    here = {path.name for path in VENDORED.iterdir()} - {"SHA256SUMS", "README.md"}
    assert here == sums.keys()
    assert {"LICENSE", "NOTICE"} <= here
    for name, digest in sums.items():
        assert hashlib.sha256((VENDORED / name).read_bytes()).hexdigest() == digest, name
    assert f"Swagger UI {VERSION} " in (VENDORED / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name", ["", "LICENSE", "..%2fdocs.js", "%2e%2e", "swagger-ui.css.map", "docs.js%00"]
)
def test_no_other_file_is_served(server: LiveServer, name: str) -> None:
    answer = server.client.get(f"/docs/{name}", follow_redirects=False)
    assert not answer.is_success


def test_the_document_can_be_switched_off(repository: Path) -> None:
    with serving(settings_for(repository, docs=False)) as live:
        for path in ("/docs", "/docs/docs.js", "/openapi.json", "/redoc"):
            assert live.client.get(path).status_code == 404
        assert live.classify(photo()).is_success
