"""Who may ask: optional bearer tokens, a separate one for what changes or loads the box, CORS.

Tokens are read once, at the start, from files (`tokens_file`, `admin_token_file`). What is kept
and compared are their SHA-256 hashes, every one of them on every check, so that the time says
nothing about them. The check is a guard of the routes that take images and a dependency of the
others; no path is ever looked at. Where no token is set, nothing is added to a request.
"""

import hashlib
import hmac
import ipaddress
import logging
import re
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from service.api.guards import RequestGuard
from service.api.openapi import problems
from service.api.record import RequestRecord, record_of
from service.errors import Forbidden, SettingUnusable, Unauthorized
from service.settings import Settings

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{16,512}=*")  # RFC 6750 section 2.1, and long enough
_SCHEME = b"bearer "
_JSON_LENGTH = "Inference-Header-Content-Length"
_HOW = "send the header Authorization: Bearer TOKEN"

logger = logging.getLogger("featherbox")

# Declares the header in /openapi.json; it is read by `Access`, for the guard too.
_declared = HTTPBearer(auto_error=False, scheme_name="token", description="Needed where set.")


class Access:
    """The tokens of one service; without any, everybody may ask."""

    def __init__(self, tokens: frozenset[bytes], admin_tokens: frozenset[bytes]) -> None:
        self._admins = tuple(admin_tokens)
        self._clients = (*tokens, *admin_tokens) if tokens else ()

    @property
    def needs_token(self) -> bool:
        """Whether the routes for clients need a token."""
        return bool(self._clients)

    def check_client(self, record: RequestRecord) -> None:
        """Let a request with any token pass, or any at all where no token is set.

        Raises:
            Unauthorized: the token is missing or wrong.
        """
        if self._clients:
            _check(record, self._clients)

    def check_admin(self, record: RequestRecord) -> None:
        """Let a request with the admin token pass.

        Raises:
            Forbidden: none is set, or the token is one for clients.
            Unauthorized: the token is missing or wrong.
        """
        if not self._admins:
            raise Forbidden("This needs an admin token: set FEATHERBOX_ADMIN_TOKEN_FILE.")
        digest = _check(record, (*self._clients, *self._admins))
        if not _among(digest, self._admins):
            raise Forbidden("This token is not the admin token (FEATHERBOX_ADMIN_TOKEN_FILE).")

    def knows(self, record: RequestRecord) -> bool:
        """Return whether a request may see what only clients may."""
        try:
            self.check_client(record)
        except Unauthorized:
            return False
        return True

    def guards(self) -> list[RequestGuard]:
        """Return the check for the routes that take images, which have no dependencies."""
        return [self.check_client] if self._clients else []

    def for_routes(self) -> dict[str, Any]:
        """Return what `include_router` takes to put routes behind the check."""
        if not self._clients:
            return {}
        return {"dependencies": [Depends(_require_token)], "responses": problems(401)}


def read_access(settings: Settings) -> Access:
    """Read the files that the settings name.

    Raises:
        SettingUnusable: a file cannot be read, holds no token or an unfit one, or the same as
            the other file.
    """
    tokens = _read(settings.tokens_file, "FEATHERBOX_TOKENS_FILE")
    admin_tokens = _read(settings.admin_token_file, "FEATHERBOX_ADMIN_TOKEN_FILE")
    if tokens & admin_tokens:
        raise SettingUnusable(
            "FEATHERBOX_TOKENS_FILE and FEATHERBOX_ADMIN_TOKEN_FILE hold the same token: "
            "make another one for the admin."
        )
    return Access(tokens, admin_tokens)


def warn_if_open(settings: Settings, access: Access) -> None:
    """Log a warning where others than this box may connect and need no token."""
    if access.needs_token or _is_loopback(settings.host):
        return
    logger.warning(
        "listening on %s without tokens: whoever reaches this port may use it; "
        "set FEATHERBOX_TOKENS_FILE, or publish the port to this box only",
        settings.host,
    )


def with_cors(app: ASGIApp, origins: list[str]) -> ASGIApp:
    """Let pages of these origins read the answers; with none, the app as it is."""
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=["GET", "POST"],
        allow_headers=[
            "Authorization",
            "Content-Type",
            "X-Request-Id",
            "X-Request-Timeout-Ms",
            _JSON_LENGTH,
        ],
        expose_headers=["Retry-After", "X-Request-Id", _JSON_LENGTH],
    )


async def _require_token(request: Request, _: Annotated[object, Depends(_declared)] = None) -> None:
    request.app.state.context.access.check_client(record_of(request.scope))


async def _require_admin(request: Request, _: Annotated[object, Depends(_declared)] = None) -> None:
    request.app.state.context.access.check_admin(record_of(request.scope))


# A parameter of routes for the operator only; such a route declares problems(401, 403).
AdminDep = Annotated[None, Depends(_require_admin)]


def _check(record: RequestRecord, known: tuple[bytes, ...]) -> bytes:
    """Return the hash of the request's token if it is a known one."""
    header = record.headers.get(b"authorization")
    if header is None:
        raise Unauthorized(f"A token is needed: {_HOW}.")
    if header[: len(_SCHEME)].lower() != _SCHEME:
        raise Unauthorized(f"The Authorization header is no bearer token: {_HOW}.")
    digest = hashlib.sha256(header[len(_SCHEME) :].strip()).digest()
    if not _among(digest, known):
        raise Unauthorized("The token is wrong.", sent=True)
    return digest


def _among(digest: bytes, known: tuple[bytes, ...]) -> bool:
    return any([hmac.compare_digest(digest, one) for one in known])  # noqa: C419 - compare all


def _read(path: Path | None, variable: str) -> frozenset[bytes]:
    """Return the hashes of the tokens in a file: one a line, # begins a comment line."""
    if path is None:
        return frozenset()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise SettingUnusable(f"{variable}: the file {path} cannot be read.") from None
    tokens = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not tokens:
        raise SettingUnusable(f"{variable}: the file {path} holds no token.")
    if not all(_TOKEN.fullmatch(token) for token in tokens):
        raise SettingUnusable(
            f"{variable}: a token in {path} is not 16 to 512 letters, digits or -._~+/ "
            "(openssl rand -hex 32 makes one)."
        )
    return frozenset(hashlib.sha256(token.encode()).digest() for token in tokens)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
