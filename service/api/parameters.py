"""Query parameters and headers of /classify, read by hand: FastAPI's own reading of them costs
more than everything else that this server adds to an inference.
"""

import re
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
_MOST_LATENCY_MS = 600_000.0
_NUMBER = re.compile(r"\d{1,9}(\.\d{1,9})?|\.\d{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ClassifyParameters:
    """What a request asks for; None means the default."""

    model: str | None = None
    top_k: int | None = None
    timeout_ms: int | None = None
    max_latency_ms: float | None = None
    min_accuracy: float | None = None
    min_confidence: float | None = None
    compare: str | None = None


_DEFAULTS = ClassifyParameters()

OPENAPI_PARAMETERS: list[dict[str, Any]] = [
    {
        "name": "model",
        "in": "query",
        "required": False,
        "schema": {"type": "string", "maxLength": _MAX_MODEL_CHARACTERS},
        "description": "`name` or `name:version`, or `auto`; default from the settings",
    },
    {
        "name": "top_k",
        "in": "query",
        "required": False,
        "schema": {"type": "integer", "minimum": 1},
        "description": "how many labels, up to the number of classes; 5, or all if fewer",
    },
    {
        "name": "max_latency_ms",
        "in": "query",
        "required": False,
        "schema": {"type": "number", "exclusiveMinimum": 0, "maximum": _MOST_LATENCY_MS},
        "description": "with model=auto: the most accurate model that answers in this time, ms",
    },
    {
        "name": "min_accuracy",
        "in": "query",
        "required": False,
        "schema": {"type": "number", "minimum": 0, "maximum": 1},
        "description": "with model=auto: only models known to have this top-1 accuracy",
    },
    {
        "name": "min_confidence",
        "in": "query",
        "required": False,
        "schema": {"type": "number", "minimum": 0, "maximum": 1},
        "description": "say `unsure` where the best label has a lower probability",
    },
    {
        "name": "compare",
        "in": "query",
        "required": False,
        "schema": {"type": "string", "maxLength": _MAX_MODEL_CHARACTERS},
        "description": "answer with this model too, and with how the two differ",
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
        max_latency_ms=_number("max_latency_ms", query, _MOST_LATENCY_MS, errors),
        min_accuracy=_number("min_accuracy", query, 1.0, errors),
        min_confidence=_number("min_confidence", query, 1.0, errors),
        compare=query.get("compare"),
    )
    for name, model in (("model", asked.model), ("compare", asked.compare)):
        if len(model or "") > _MAX_MODEL_CHARACTERS:
            errors[name] = f"must have at most {_MAX_MODEL_CHARACTERS} characters"
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


def _number(
    name: str, query: Mapping[str, str], most: float, errors: dict[str, str]
) -> float | None:
    """Return a number above 0 for times, from 0 to 1 for fractions."""
    text = query.get(name)
    if text is None:
        return None
    if _NUMBER.fullmatch(text) and (most == 1.0 or float(text)) and float(text) <= most:
        return float(text)
    errors[name] = f"must be a number {'from 0' if most == 1.0 else 'above 0'} to {most:g}"
    return None
