"""Routes that are answered without the framework's middleware and routing.

For an inference of 2 ms those cost more than all else that the server adds. The same functions
are declared as FastAPI routes too, from which /docs and /openapi.json are made.
"""

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.problems import error_answer, respond
from service.api.record import record_of
from service.errors import FeatherboxError

Endpoint = Callable[[Request], Awaitable[Response]]


class DirectRoutes:
    """Answers POST to some paths by calling their endpoint; passes on everything else."""

    def __init__(self, app: ASGIApp, endpoints: Mapping[str, Endpoint]) -> None:
        self._app = app
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoints.get(scope.get("path", ""))
        if endpoint is None or scope.get("method") != "POST":
            await self._app(scope, receive, send)
            return
        record_of(scope).route = scope["path"]
        try:
            response = await endpoint(Request(scope, receive))
        except FeatherboxError as error:
            response = respond(error_answer(record_of(scope), error))
        await response(scope, receive, send)
