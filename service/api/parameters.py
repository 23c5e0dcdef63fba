"""Query parameters and headers of /classify, read by hand: FastAPI's own reading of them costs
more than everything else that this server adds to an inference.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from service.errors import InvalidParameter, MalformedRequest

_TIMEOUT_HEADER = "X-Request-Timeout-Ms"
_TIMEOUT_NAME = _TIMEOUT_HEADER.lower().encode()
_MAX_FIELDS = 32
_MAX_DIGITS = 64
_MAX_MODEL_CHARACTERS = 128


@dataclass(frozen=True, slots=True)
class ClassifyParameters:
    """What a request asks for; None means the default."""

    model: str | None = None
    top_k: int | None = None
    timeout_ms: int | None = None


_DEFAULTS = ClassifyParameters()

OPENAPI_PARAMETERS: list[dict[str, Any]] = [
    {
        "name": "model",
        "in": "query",
        "required": False,
        "schema": {"type": "string", "maxLength": _MAX_MODEL_CHARACTERS},
        "description": "`name` or `name:version`; default from the settings",
    },
    {
        "name": "top_k",
        "in": "query",
        "required": False,
        "schema": {"type": "integer", "minimum": 1},
        "description": "how many labels, up to the number of classes; 5, or all if fewer",
    },
    {
        "name": _TIMEOUT_HEADER,
        "in": "header",
        "required": False,
        "schema": {"type": "integer", "minimum": 1},
        "description": "answer within this time, ms, or not at all; capped by the service's limit",
    },
]


def read_parameters(headers: Mapping[bytes, bytes], query_string: bytes) -> ClassifyParameters:
    """Read the parameters of a request from its headers (lower-case names) and query string.

    Raises:
        InvalidParameter: names every number that is none or below 1, and an endless model name.
        MalformedRequest: there are absurdly many query fields.
    """
    header = headers.get(_TIMEOUT_NAME)
    if header is None and not query_string:
        return _DEFAULTS
    timeout = None if header is None else header.decode("latin-1")
    query = _query(query_string)
    errors: dict[str, str] = {}
    asked = ClassifyParameters(
        model=query.get("model"),
        top_k=_positive("top_k", query.get("top_k"), errors),
        timeout_ms=_positive(_TIMEOUT_HEADER, timeout, errors),
    )
    if len(asked.model or "") > _MAX_MODEL_CHARACTERS:
        errors["model"] = f"must have at most {_MAX_MODEL_CHARACTERS} characters"
    if errors:
        raise InvalidParameter(**errors)
    return asked


def _query(text: bytes) -> dict[str, str]:
    try:
        fields = parse_qsl(
            text.decode("latin-1"), keep_blank_values=True, max_num_fields=_MAX_FIELDS
        )
    except ValueError:
        raise MalformedRequest(f"The query has more than {_MAX_FIELDS} fields.") from None
    return dict(fields)


def _positive(name: str, text: str | None, errors: dict[str, str]) -> int | None:
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS and int(text):
        return int(text)
    errors[name] = "must be a whole number, 1 or more"
    return None
