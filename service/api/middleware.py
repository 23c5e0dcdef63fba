"""The outermost layer: a request id for each request, a note of its end, and answers to bugs."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.ledger import Ledger
from service.api.problems import answer_to, error_answer, respond
from service.api.record import NOTHING_SENT, RequestRecord, attach_record, request_id_for
from service.errors import NotReady

_NOSNIFF = (b"x-content-type-options", b"nosniff")


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
        request_id = request_id_for(headers)
        client = scope.get("client") or ("",)
        record = RequestRecord(request_id, scope["method"], scope["path"], headers, client[0])
        record.status = NOTHING_SENT
        attach_record(scope, record)

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                message["headers"] += ((b"x-request-id", request_id.encode()), _NOSNIFF)
            await send(message)

        try:
            await self._app(scope, receive, send_named)
        except Exception as error:
            answer = answer_to(record, error)
            if record.status != NOTHING_SENT:
                raise
            await respond(answer)(scope, receive, send_named)
        except asyncio.CancelledError:  # the time to finish after SIGTERM is over
            if record.status != NOTHING_SENT:
                raise
            answer = error_answer(record, NotReady("The service is shutting down."))
            await respond(answer)(scope, receive, send_named)
        finally:
            record.route = record.route or getattr(scope.get("route"), "path", None)
            self._ledger.note(record)
