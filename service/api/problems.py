"""Errors to answers, in one place: RFC 9457 problem documents with a stable `code`."""

from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from service.api.record import record_of
from service.errors import FeatherboxError, InvalidParameter, Overloaded, Unauthorized

PROBLEM_TYPE = "application/problem+json"

_CHALLENGE, _INVALID = 'Bearer realm="featherbox"', ', error="invalid_token"'
_CODES = {404: "not_found", 405: "method_not_allowed"}
_DETAILS = {
    404: "There is no such route; /docs lists them.",
    405: "The route does not take this method; /docs lists what it takes.",
}


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


def respond(
    scope: MutableMapping[str, Any],
    status: int,
    code: str,
    detail: str,
    headers: dict[str, str] | None = None,
    **more: object,
) -> Response:
    """Return a problem as a response, and note its code for the log."""
    record = record_of(scope)
    record.error_code = code
    document = problem_document(record.request_id, status, code, detail, **more)
    return Response(to_json(document), status, headers, media_type=PROBLEM_TYPE)


def error_response(scope: MutableMapping[str, Any], error: FeatherboxError) -> Response:
    """Return the answer to a request that met an error of the tree."""
    headers = None
    if isinstance(error, Overloaded):
        headers = {"Retry-After": str(error.retry_after_s)}
    elif isinstance(error, Unauthorized):
        headers = {"WWW-Authenticate": _CHALLENGE + _INVALID if error.sent else _CHALLENGE}
    more: dict[str, object] = {}
    if isinstance(error, InvalidParameter):
        more["errors"] = [
            {"parameter": name, "detail": detail} for name, detail in error.errors.items()
        ]
    return respond(scope, error.status, error.code, error.detail, headers, **more)


async def _on_featherbox_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, FeatherboxError)
    return error_response(request.scope, error)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = {".".join(map(str, item["loc"][1:])): item["msg"] for item in error.errors()[:8]}
    return error_response(request.scope, InvalidParameter(**found))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = error.status_code
    detail = _DETAILS.get(status, HTTPStatus(status).phrase)
    headers = dict(error.headers) if error.headers else None
    return respond(request.scope, status, _CODES.get(status, "bad_request"), detail, headers)


def bug_response(scope: MutableMapping[str, Any]) -> Response:
    """Return the answer to a request that met a bug."""
    return respond(scope, 500, "internal_error", "The service failed; the log has the request.")


def install(app: FastAPI) -> None:
    """Map every error that is no bug to a problem document; `RequestMiddleware` answers bugs."""
    app.add_exception_handler(FeatherboxError, _on_featherbox_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
