"""GET /: the page to try the service in a browser, and the files that it is made of.

The files in `service/static/page` are read once and served from memory, at an address with their
digest in it, so browsers may keep them for good; the page itself is asked for again every time.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import version
from string import Template

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from service.api.context import ContextDep
from service.api.pages import STATIC, page_headers

router = APIRouter(include_in_schema=False)

_FOLDER = STATIC / "page"
_INDEX = "index.html"
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
_PACKED_ALREADY = frozenset({".jpg", ".woff2"})
_FOR_GOOD = "public, max-age=31536000, immutable"

# A picture may also be one that somebody dropped; markup is never made from text.
_POLICY = {
    "font_src": "'self'",
    "img_src": "'self' blob: data:",
    "require_trusted_types_for": "'script'",
}


@dataclass(frozen=True)
class WebFile:
    """One file of the page, in memory."""

    content: bytes
    suffix: str

    @cached_property
    def packed(self) -> bytes | None:
        """Return the content as gzip, made at the first request; None where it does not pay."""
        return None if self.suffix in _PACKED_ALREADY else gzip.compress(self.content, mtime=0)

    def response(self, request: Request, headers: Mapping[str, str]) -> Response:
        """Return the file as an answer, packed if the client takes that."""
        headers = {**headers, "Vary": "Accept-Encoding"}
        content = self.content
        if self.packed and "gzip" in request.headers.get("accept-encoding", ""):
            content = self.packed
            headers["Content-Encoding"] = "gzip"
        return Response(content, headers=headers, media_type=_MEDIA_TYPES[self.suffix])


@router.api_route("/", methods=["GET", "HEAD"])
async def page(request: Request, context: ContextDep) -> Response:
    """Return the page; 304 if the browser has this one."""
    index = _index(context.settings.docs)
    etag = f'W/"{_digest_of(index.content)}"'
    headers = {**page_headers(**_POLICY), "ETag": etag}
    known = request.headers.get("if-none-match", "").split(",")
    if etag in (tag.strip() for tag in known):
        return Response(None, 304, headers)
    return index.response(request, headers)


@router.api_route("/page/{digest}/{path:path}", methods=["GET", "HEAD"])
async def page_file(request: Request, digest: str, path: str) -> Response:
    """Return a file of the page; another version's files are not here."""
    file = web_files().get(path)
    if file is None or digest != web_digest():
        raise HTTPException(404)
    return file.response(request, {"Cache-Control": _FOR_GOOD})


@cache
def web_files() -> Mapping[str, WebFile]:
    """Return every file of `service/static/page` by its path, read once a process."""
    return {
        path.relative_to(_FOLDER).as_posix(): WebFile(path.read_bytes(), path.suffix)
        for path in sorted(_FOLDER.rglob("*"))
        if path.suffix in _MEDIA_TYPES
    }


@cache
def web_digest() -> str:
    """Return the digest of all files, which is part of their address."""
    parts = (path.encode() + b"\0" + file.content for path, file in web_files().items())
    return _digest_of(b"".join(parts))


@cache
def _index(docs: bool) -> WebFile:
    """Return the page with what depends on the process filled in.

    Addresses in it are relative, so that a proxy may serve it below any path.
    """
    text = Template(web_files()[_INDEX].content.decode()).substitute(
        assets=f"page/{web_digest()}",
        docs_hidden="" if docs else " hidden",
        version=version("featherbox"),
    )
    return WebFile(text.encode(), ".html")


def _digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
