"""GET / and its files, as HTTP has them; what they do in a browser is tested in tests/page."""

import hashlib
import re
from pathlib import Path

import httpx
import pytest

from service.api import page
from service.api.pages import STATIC
from tests.service.api.test_docs import Links, policy_of
from tests.support.images import photo
from tests.support.server import LiveServer, serving, settings_for

FOLDER = STATIC / "page"
NOTICE = (FOLDER / "NOTICE.md").read_text(encoding="utf-8")
TOKEN = "client-token-0123456789"


def addresses(server: LiveServer) -> list[str]:
    """Return the addresses of the files that the page names."""
    links = Links(server.client.get("/").text).loaded
    return [link for link in links if link.startswith("page/")]


def test_the_page_names_everything_by_a_relative_address(server: LiveServer) -> None:
    links = Links(server.client.get("/").text)
    assert links.inline == []
    assert [link for link in links.loaded if link.startswith("/") or ":" in link] == []
    assert len(addresses(server)) > 8


def test_the_policy_lets_the_page_reach_its_own_server_only(server: LiveServer) -> None:
    headers = server.client.get("/").headers
    policy = policy_of(headers["content-security-policy"])
    assert policy["default-src"] == ["'none'"]
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == ["'self'"]
    assert policy["img-src"] == ["'self'", "blob:", "data:"]
    assert policy["frame-ancestors"] == policy["form-action"] == ["'none'"]
    assert policy["require-trusted-types-for"] == ["'script'"]
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-type"] == "text/html; charset=utf-8"


def test_the_page_is_asked_for_again_and_sent_once(server: LiveServer) -> None:
    first = server.client.get("/")
    assert first.headers["cache-control"] == "no-cache"
    etag = first.headers["etag"]
    again = server.client.get("/", headers={"if-none-match": f'"other", {etag}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == etag
    assert server.client.get("/", headers={"if-none-match": '"other"'}).text == first.text


def test_its_files_are_kept_for_good(server: LiveServer) -> None:
    for address in addresses(server):
        answer = httpx.get(f"{server.url}/{address}")
        assert answer.is_success, address
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
        path = address.split("/", 2)[2]
        assert answer.content == (FOLDER / path).read_bytes()
        assert answer.headers["content-type"] == page._MEDIA_TYPES[Path(path).suffix]


@pytest.mark.parametrize("accepted", ["gzip, br", "identity"])
def test_files_are_packed_for_those_who_unpack(server: LiveServer, accepted: str) -> None:
    address = f"/page/{page.web_digest()}/css/base.css"
    answer = server.client.get(address, headers={"accept-encoding": accepted})
    plain = (FOLDER / "css/base.css").read_bytes()
    assert answer.content == plain
    assert answer.headers["vary"] == "Accept-Encoding"
    packed = answer.headers.get("content-encoding") == "gzip"
    assert packed == ("gzip" in accepted)
    sent = int(answer.headers["content-length"])
    assert sent < len(plain) / 2 if packed else sent == len(plain)


def test_head_has_the_headers_without_the_page(server: LiveServer) -> None:
    shown, asked = server.client.get("/"), server.client.head("/")
    assert asked.content == b""
    assert asked.headers["etag"] == shown.headers["etag"]


@pytest.mark.parametrize(
    "path", ["js/missing.js", "..%2fdocs.js", "%2e%2e/%2e%2e/settings.py", "", "js"]
)
def test_no_other_file_is_served(server: LiveServer, path: str) -> None:
    answer = server.client.get(f"/page/{page.web_digest()}/{path}")
    assert answer.status_code == 404


def test_files_of_another_version_are_not_here(server: LiveServer) -> None:
    assert server.client.get("/page/0123456789abcdef/js/app.js").status_code == 404


def test_the_page_can_be_switched_off(repository: Path) -> None:
    with serving(settings_for(repository, page=False)) as live:
        assert live.client.get("/").json()["code"] == "not_found"
        assert live.client.get(f"/page/{page.web_digest()}/js/app.js").status_code == 404
        assert live.classify(photo()).is_success


def test_the_page_links_no_docs_that_are_off(server: LiveServer, repository: Path) -> None:
    assert '<a href="docs">' in server.client.get("/").text
    with serving(settings_for(repository, docs=False)) as live:
        assert set(re.findall(r'<a href="docs"[^>]*>', live.client.get("/").text)) == {
            '<a href="docs" hidden>'
        }


def test_the_page_needs_no_token_and_what_it_shows_does(tmp_path: Path, repository: Path) -> None:
    (tmp_path / "tokens").write_text(TOKEN, encoding="utf-8")
    with serving(settings_for(repository, tokens_file=tmp_path / "tokens")) as live:
        assert live.client.get("/").is_success
        assert live.client.get(f"/page/{page.web_digest()}/js/app.js").is_success
        assert live.client.get("/models").status_code == 401


def test_what_others_made_is_recorded_with_its_licence() -> None:
    rows = re.findall(r"^\| (\S+) \| (\S+) \| ([\d.]+) \| ([\w.-]+) \| (\w{64}) \|$", NOTICE, re.M)
    vendored = {*(FOLDER / "vendor").glob("*.js"), *(FOLDER / "fonts").glob("*.woff2")}
    assert {FOLDER / row[0] for row in rows} == vendored
    for path, *_, digest in rows:
        assert hashlib.sha256((FOLDER / path).read_bytes()).hexdigest() == digest
    licences = [*(FOLDER / "vendor").glob("*LICENSE*"), *(FOLDER / "fonts").glob("*LICENSE*")]
    assert len(licences) == len(vendored)


def test_no_file_of_the_page_names_another_server() -> None:
    ours = [path for path in FOLDER.rglob("*.*") if path.suffix in {".js", ".css", ".html", ".svg"}]
    named = {
        (path.name, found)
        for path in ours
        if path.parent.name != "vendor"
        for found in re.findall(r"https?://[^\s\"'<)]+", path.read_text(encoding="utf-8"))
    }
    assert named == {
        ("icon.svg", "http://www.w3.org/2000/svg"),  # a name, not an address
        ("index.html", "http://HOST:8000/classify"),
    }
