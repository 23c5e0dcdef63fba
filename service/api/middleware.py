"""The outermost layer: request id, one log line and one count for each request, bugs included."""

import logging
import re
import time
from dataclasses import asdict

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.metrics import Metrics
from service.api.problems import bug_response
from service.api.record import RequestRecord, attach_record, new_request_id

_CLIENT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NOTHING_SENT = 499  # in the log: the client went away first
_MAX_PATH_CHARACTERS = 256
_QUIET_ROUTES = frozenset({"/livez", "/readyz", "/metrics"})

logger = logging.getLogger("featherbox.access")


class RequestMiddleware:
    """Names, times, logs and counts every HTTP request."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent_id = Headers(scope=scope).get("x-request-id", "")
        request_id = sent_id if _CLIENT_ID.fullmatch(sent_id) else new_request_id()
        record = RequestRecord(request_id)
        attach_record(scope, record)
        status = _NOTHING_SENT

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_named)
        except Exception:
            logger.exception("request %s met a bug", request_id)
            if status != _NOTHING_SENT:
                raise
            await bug_response(scope)(scope, receive, send_named)
        finally:
            self._finish(scope, record, status)

    def _finish(self, scope: Scope, record: RequestRecord, status: int) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        seconds = time.perf_counter() - record.started
        self._metrics.count_request(route, record.model, status, record.error_code)
        level = logging.DEBUG if route in _QUIET_ROUTES and status < 400 else logging.INFO
        if not logger.isEnabledFor(level):
            return
        path = scope["path"][:_MAX_PATH_CHARACTERS]
        fields: dict[str, object] = {
            "request_id": record.request_id,
            "method": scope["method"],
            "path": path,
            "status": status,
            "model": record.model,
            "code": record.error_code,
            "images": record.images,
            "duration_ms": round(seconds * 1e3, 2),
            "receive_ms": record.receive_ms,
        }
        if record.times:
            stages = asdict(record.times)
            fields["timings_ms"] = {stage: round(value, 2) for stage, value in stages.items()}
        logger.log(
            level,
            "%s %s %d",
            scope["method"],
            path,
            status,
            extra={"fields": {key: value for key, value in fields.items() if value is not None}},
        )
