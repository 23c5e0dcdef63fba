"""A request that goes to the ASGI app, as uvicorn would hand it over."""

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

if TYPE_CHECKING:
    from service.api.wire.connection import Connection


def cycle_for_app(
    connection: "Connection", headers: dict[bytes, bytes], version: str, *, keep_alive: bool
) -> RequestResponseCycle:
    """Return the request whose head the connection has just read.

    Args:
        connection: where it came from.
        headers: of the request, by name.
        version: of HTTP, such as 1.1.
        keep_alive: the connection may serve another request after it.
    """
    target = httptools.parse_url(connection.url)
    path: bytes = target.path
    scope: Any = {
        "type": "http",
        "asgi": {"version": connection.asgi_version, "spec_version": "2.3"},
        "http_version": version,
        "server": connection.server,
        "client": connection.client,
        "scheme": connection.scheme,
        "method": connection.parser.get_method().decode("ascii"),
        "root_path": connection.root_path,
        "path": connection.root_path + unquote(path.decode("ascii")),
        "raw_path": connection.root_path.encode("ascii") + path,
        "query_string": target.query or b"",
        "headers": connection.headers,
        "state": connection.app_state.copy(),
    }
    return RequestResponseCycle(
        scope=scope,
        transport=connection.transport,
        flow=connection.flow,
        logger=connection.logger,
        access_logger=connection.access_logger,
        access_log=connection.access_log,
        default_headers=connection.server_state.default_headers,
        message_event=asyncio.Event(),
        expect_100_continue=headers.get(b"expect", b"").lower() == b"100-continue",
        keep_alive=keep_alive,
        on_response=connection.on_response_complete,
    )
