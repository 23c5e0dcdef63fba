"""What of /v2 FastAPI cannot derive for the OpenAPI document."""

from typing import Any

from service.api.parameters import OPENAPI_PARAMETERS
from service.api.v2.schemas import Asked, ErrorAnswer, IndexRequest, InferenceRequest

TAG = "v2"

_MEANINGS = {
    400: "not as the protocol or the model says, or a damaged image",
    401: "the token is missing or wrong",
    403: "no request loads or unloads models",
    404: "unknown model or version",
    408: "the body came too slowly",
    413: "too many bytes, pixels or images",
    415: "bytes of no accepted image format, or an encoded body",
    422: "X-Request-Timeout-Ms is no whole number, 1 or more",
    429: "this client is over its limit; Retry-After says when to come back",
    503: "full, or not ready; Retry-After says when to come back",
    504: "the request's deadline passed",
}

_BINARY = {"type": "string", "format": "binary"}
_TIMEOUT = [parameter for parameter in OPENAPI_PARAMETERS if parameter["in"] == "header"]
_JSON_LENGTH: dict[str, Any] = {
    "name": "Inference-Header-Content-Length",
    "in": "header",
    "required": False,
    "schema": {"type": "integer", "minimum": 0},
    "description": "bytes of the JSON, where binary tensors follow it; 0 for a raw tensor",
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI responses for error statuses, each `{"error": ...}`."""
    return {status: {"model": ErrorAnswer, "description": _MEANINGS[status]} for status in statuses}


def path_parameter(name: str) -> dict[str, Any]:
    """Return the OpenAPI parameter of a path."""
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


BINARY_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {"schema": _BINARY}}}
}


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without definitions of its own, which a document could not refer to."""
    definitions = schema.pop("$defs", {})

    def put_in(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                return put_in(definitions[node["$ref"].rpartition("/")[2]])
            return {key: put_in(value) for key, value in node.items()}
        return [put_in(item) for item in node] if isinstance(node, list) else node

    inlined: dict[str, Any] = put_in(schema)
    return inlined


def _json_body(kind: type[Asked], **others: dict[str, Any]) -> dict[str, Any]:
    schema = _inlined(kind.model_json_schema())
    return {"content": {"application/json": {"schema": schema}, **others}}


INFERENCE: dict[str, Any] = {
    "parameters": [*_TIMEOUT, _JSON_LENGTH],
    "requestBody": {
        "required": True,
        **_json_body(InferenceRequest, **{"application/octet-stream": {"schema": _BINARY}}),
    },
}
NAME_IN_PATH: dict[str, Any] = {"parameters": [path_parameter("name")]}
INDEX: dict[str, Any] = {"requestBody": _json_body(IndexRequest)}
