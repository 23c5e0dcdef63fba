"""Pages for browsers: HTML under a policy that lets it load from this server alone, and its files.

A page keeps its scripts and styles in files of their own under `service/static`.
"""

from collections.abc import Mapping
from pathlib import Path

from starlette.responses import Response

STATIC = Path(__file__).parent.parent / "static"

_KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}


def html_page(html: bytes, **changes: str) -> Response:
    """Return a page with its security headers; `changes` as for `page_headers`."""
    return Response(html, headers=page_headers(**changes), media_type="text/html")


def page_headers(**changes: str) -> dict[str, str]:
    """Return the security headers of a page.

    Args:
        changes: directives of the Content-Security-Policy that differ, `-` written as `_`.
    """
    policy: Mapping[str, str] = _POLICY | {
        name.replace("_", "-"): sources for name, sources in changes.items()
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {policy[name]}" for name in policy),
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY",
        "Cache-Control": "no-cache",
    }


def static_file(path: Path) -> Response:
    """Return a file of a page; `path` is one that we wrote, never made of a request's words."""
    headers = {"Cache-Control": "max-age=3600"}
    return Response(path.read_bytes(), headers=headers, media_type=_KINDS[path.suffix])
