"""Routes that are answered without the framework's middleware and routing.

For an inference of 2 ms those cost more than all else that the server adds. The same functions
are declared as FastAPI routes too, from which /docs and /openapi.json are made.
"""

import re
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.jobs import ClientGone
from service.api.problems import error_answer, respond
from service.api.record import record_of
from service.errors import FeatherboxError

Endpoint = Callable[[Request], Awaitable[Response]]


class DirectRoutes:
    """Answers POST to some paths by calling their endpoint; passes on everything else."""

    def __init__(
        self,
        app: ASGIApp,
        endpoints: Mapping[str, Endpoint],
        templates: Mapping[str, Endpoint],
    ) -> None:
        """Take endpoints by their path, and by paths with parameters in braces."""
        self._app = app
        self._endpoints = endpoints
        self._templates = [
            (re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", template)), template, endpoint)
            for template, endpoint in templates.items()
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._find(scope) if scope.get("method") == "POST" else None
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        try:
            response = await endpoint(Request(scope, receive))
        except ClientGone:
            return  # nothing is sent: nobody waits
        except FeatherboxError as error:
            response = respond(error_answer(record_of(scope), error))
        await response(scope, receive, send)

    def _find(self, scope: Scope) -> Endpoint | None:
        """Return who answers a path, and note the route and the path's parameters."""
        path: str = scope["path"]
        endpoint = self._endpoints.get(path)
        if endpoint is not None:
            record_of(scope).route = path
            return endpoint
        for pattern, template, found in self._templates:
            if match := pattern.fullmatch(path):
                record_of(scope).route = template
                scope["path_params"] = match.groupdict()
                return found
        return None
