"""The outermost layer: a request id for each request, a note of its end, and answers to bugs."""

import logging
import re
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.ledger import Ledger
from service.api.problems import bug_response
from service.api.record import RequestRecord, attach_record, new_request_id

_CLIENT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NOSNIFF = (b"x-content-type-options", b"nosniff")
_NOTHING_SENT = 499  # in the log: the client went away first

logger = logging.getLogger("featherbox.access")


class RequestMiddleware:
    """Names and times every HTTP request, and hands it to the ledger."""

    def __init__(self, app: ASGIApp, ledger: Ledger) -> None:
        self._app = app
        self._ledger = ledger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        sent_id = headers.get(b"x-request-id", b"").decode("latin-1")
        request_id = sent_id if _CLIENT_ID.fullmatch(sent_id) else new_request_id()
        record = RequestRecord(request_id, scope["method"], scope["path"], headers)
        record.status = _NOTHING_SENT
        attach_record(scope, record)

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                message["headers"] += ((b"x-request-id", request_id.encode()), _NOSNIFF)
            await send(message)

        try:
            await self._app(scope, receive, send_named)
        except Exception:
            logger.exception("request %s met a bug", request_id)
            if record.status != _NOTHING_SENT:
                raise
            await bug_response(scope)(scope, receive, send_named)
        finally:
            record.route = record.route or getattr(scope.get("route"), "path", None)
            record.duration_ms = (time.perf_counter() - record.started) * 1e3
            record.finished_at = time.time()
            self._ledger.note(record)
