"""Parts of the OpenAPI document that FastAPI cannot derive: bodies read by hand, and errors."""

from typing import Any

from service.api.parameters import OPENAPI_PARAMETERS
from service.api.problems import PROBLEM_TYPE
from service.api.schemas import ProblemBody
from service.engine.decode import ACCEPTED_FORMATS

_BINARY = {"type": "string", "format": "binary"}
_RAW_TYPES = [f"image/{name.lower()}" for name in ACCEPTED_FORMATS]

_MEANINGS = {
    400: "malformed request, empty body, or a damaged image of an accepted format",
    401: "the token is missing or wrong",
    403: "not allowed with this token, or the admin token is not set",
    404: "unknown model or version",
    409: "a model is being measured already",
    408: "the body came too slowly",
    413: "too many bytes, pixels or images",
    415: "bytes of no accepted format, or an encoded body",
    422: "a parameter is out of range",
    429: "this client is over its limit; Retry-After says when to come back",
    503: "full, or not ready; Retry-After says when to come back",
    504: "the request's deadline passed",
}


def _form(schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema": {"type": "object", "required": ["image"], "properties": {"image": schema}},
    }


SINGLE_IMAGE: dict[str, Any] = {
    "parameters": OPENAPI_PARAMETERS,
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": _form(_BINARY),
            **{kind: {"schema": _BINARY} for kind in (*_RAW_TYPES, "application/octet-stream")},
        },
    },
}

SEVERAL_IMAGES: dict[str, Any] = {
    "parameters": OPENAPI_PARAMETERS,
    "requestBody": {
        "required": True,
        "content": {"multipart/form-data": _form({"type": "array", "items": _BINARY})},
    },
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI responses for error statuses, each a problem document."""
    return {
        status: {
            "model": ProblemBody,
            "description": _MEANINGS[status],
            "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}},
        }
        for status in statuses
    }


def only_problem_type(document: dict[str, Any]) -> dict[str, Any]:
    """Take out the plain JSON that FastAPI documents beside each problem document."""
    for path in document["paths"].values():
        for operation in path.values():
            for response in operation["responses"].values():
                if PROBLEM_TYPE in response.get("content", {}):
                    response["content"].pop("application/json", None)
    return document
