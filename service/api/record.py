"""What is remembered of a request while it is answered, for its log line and the metrics."""

import os
import time
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

from service.engine.pipeline import StageTimes

_KEY = "featherbox.record"
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(slots=True)
class RequestRecord:
    """One request."""

    request_id: str
    started: float = field(default_factory=time.perf_counter)
    model: str | None = None
    error_code: str | None = None
    receive_ms: float | None = None
    times: StageTimes | None = None
    images: int | None = None


def new_request_id() -> str:
    """Return a ULID: 48 bits of milliseconds and 80 random bits, sortable by time."""
    value = (time.time_ns() // 1_000_000 << 80) | int.from_bytes(os.urandom(10), "big")
    return "".join(_CROCKFORD[(value >> shift) & 31] for shift in range(125, -1, -5))


def attach_record(scope: MutableMapping[str, Any], record: RequestRecord) -> None:
    """Keep the record in the ASGI scope."""
    scope[_KEY] = record


def record_of(scope: MutableMapping[str, Any]) -> RequestRecord:
    """Return the record of a request."""
    record: RequestRecord = scope[_KEY]
    return record
