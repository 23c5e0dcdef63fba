"""Errors to answers, in one place: RFC 9457 problem documents with a stable `code`."""

import logging
from http import HTTPStatus

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from service.api.record import record_of
from service.errors import FeatherboxError, Overloaded

PROBLEM_TYPE = "application/problem+json"

_CODES = {404: "not_found", 405: "method_not_allowed"}
_DETAILS = {
    404: "There is no such route; /docs lists them.",
    405: "The route does not take this method; /docs lists what it takes.",
}

logger = logging.getLogger("featherbox.errors")


def problem_document(
    request_id: str, status: int, code: str, detail: str, **more: object
) -> dict[str, object]:
    """Return the members of a problem document (RFC 9457 section 3.1 and our extensions)."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": request_id,
        **more,
    }


def _respond(
    request: Request,
    status: int,
    code: str,
    detail: str,
    headers: dict[str, str] | None = None,
    **more: object,
) -> Response:
    record = record_of(request.scope)
    record.error_code = code
    document = problem_document(record.request_id, status, code, detail, **more)
    return Response(to_json(document), status, headers, media_type=PROBLEM_TYPE)


async def _on_featherbox_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, FeatherboxError)
    headers = {"Retry-After": str(error.retry_after_s)} if isinstance(error, Overloaded) else None
    return _respond(request, error.status, error.code, error.detail, headers)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = [
        {"parameter": ".".join(map(str, item["loc"][1:])), "detail": item["msg"]}
        for item in error.errors()[:8]
    ]
    detail = "; ".join(f"{item['parameter']}: {item['detail']}" for item in found)
    return _respond(request, 422, "invalid_parameter", detail, errors=found)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = error.status_code
    detail = _DETAILS.get(status, HTTPStatus(status).phrase)
    headers = dict(error.headers) if error.headers else None
    return _respond(request, status, _CODES.get(status, "bad_request"), detail, headers)


async def _on_bug(request: Request, error: Exception) -> Response:
    logger.error("request %s", record_of(request.scope).request_id, exc_info=error)
    return _respond(request, 500, "internal_error", "The service failed; the log has the request.")


def install(app: FastAPI) -> None:
    """Map every error of the app to a problem document."""
    app.add_exception_handler(FeatherboxError, _on_featherbox_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(Exception, _on_bug)
