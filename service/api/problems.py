"""Errors to answers, in one place: RFC 9457 problem documents with a stable `code`."""

import logging
from http import HTTPStatus

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from service.api.answers import JSON_TYPE, Answer
from service.api.record import RequestRecord, record_of
from service.errors import (
    FeatherboxError,
    InvalidParameter,
    Overloaded,
    TooManyRequests,
    Unauthorized,
)

logger = logging.getLogger("featherbox.access")

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


def problem(
    record: RequestRecord,
    status: int,
    code: str,
    detail: str,
    headers: tuple[tuple[str, str], ...] = (),
    **more: object,
) -> Answer:
    """Return a problem as an answer, and note its code for the log.

    Under /v2 its form is that of the Open Inference Protocol.
    """
    record.error_code = code
    if record.path == "/v2" or record.path.startswith("/v2/"):
        return Answer(status, JSON_TYPE, to_json({"error": detail}), headers)
    document = problem_document(record.request_id, status, code, detail, **more)
    return Answer(status, PROBLEM_TYPE, to_json(document), headers)


def error_answer(record: RequestRecord, error: FeatherboxError) -> Answer:
    """Return the answer to a request that met an error of the tree."""
    more: dict[str, object] = {}
    headers: tuple[tuple[str, str], ...] = ()
    if isinstance(error, Overloaded | TooManyRequests):
        headers = (("retry-after", str(error.retry_after_s)),)
    elif isinstance(error, Unauthorized):
        challenge = _CHALLENGE + _INVALID if error.sent else _CHALLENGE
        headers = (("www-authenticate", challenge),)
    if isinstance(error, InvalidParameter):
        more["errors"] = [
            {"parameter": name, "detail": detail} for name, detail in error.errors.items()
        ]
    return problem(record, error.status, error.code, error.detail, headers, **more)


def bug_answer(record: RequestRecord) -> Answer:
    """Return the answer to a request that met a bug."""
    detail = "The service failed; the log has the request."
    return problem(record, 500, "internal_error", detail)


def answer_to(record: RequestRecord, error: Exception) -> Answer:
    """Return the answer to a request that met an error; one that is not of the tree is a bug."""
    if isinstance(error, FeatherboxError):
        return error_answer(record, error)
    log_if_bug(error, record.request_id)
    return bug_answer(record)


def log_if_bug(error: Exception, request_id: str = "before its head") -> None:
    """Log an error that is not of the tree."""
    if not isinstance(error, FeatherboxError):
        logger.error("request %s met a bug", request_id, exc_info=error)


def respond(answer: Answer) -> Response:
    """Return an answer as a response of the framework."""
    return Response(answer.body, answer.status, dict(answer.headers), media_type=answer.media_type)


async def _on_featherbox_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, FeatherboxError)
    return respond(error_answer(record_of(request.scope), error))


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = {".".join(map(str, item["loc"][1:])): item["msg"] for item in error.errors()[:8]}
    return respond(error_answer(record_of(request.scope), InvalidParameter(**found)))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = error.status_code
    detail = _DETAILS.get(status, HTTPStatus(status).phrase)
    headers = tuple((error.headers or {}).items())
    code = _CODES.get(status, "bad_request")
    return respond(problem(record_of(request.scope), status, code, detail, headers))


def install(app: FastAPI) -> None:
    """Map every error that is no bug to a problem document; `RequestMiddleware` answers bugs."""
    app.add_exception_handler(FeatherboxError, _on_featherbox_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
