"""What is remembered of a request while it is answered, for its log line and the metrics."""

import random
import re
import time
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from service.engine.pipeline import StageTimes
from service.engine.repository import ServedModel

NOTHING_SENT = 499  # in the log: the client went away first
# Asked for by machines again and again, or by a browser for the page: worth no log line or trace.
QUIET_ROUTES = frozenset(
    {
        "/livez", "/readyz", "/metrics", "/latency", "/v2/health/live", "/v2/health/ready",
        "/page/{digest}/{path:path}",
    }
)  # fmt: skip

_KEY = "featherbox.record"
_CLIENT_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [first + second for first in _CROCKFORD for second in _CROCKFORD]  # 10 bits each

# Request ids need to differ, not to be secret; this costs no system call.
_random_bits = random.SystemRandom().getrandbits(128)
_generator = random.Random(_random_bits)  # noqa: S311


@dataclass(slots=True)
class RequestRecord:
    """One request. Headers have lower-case names; of one sent twice the last counts.

    `client` is the address that the connection comes from, empty where there is none.
    """

    request_id: str
    method: str = ""
    path: str = ""
    headers: dict[bytes, bytes] = field(default_factory=dict)
    client: str = ""
    started: float = field(default_factory=time.perf_counter)
    status: int = 0
    duration_ms: float = 0.0
    finished_at: float = 0.0
    route: str | None = None
    model: str | None = None
    error_code: str | None = None
    receive_ms: float | None = None
    images: int | None = None
    held_bytes: int = 0
    classified: list[tuple[ServedModel, StageTimes]] = field(default_factory=list)

    def end(self) -> None:
        """Take note that the request is answered now."""
        self.duration_ms = (time.perf_counter() - self.started) * 1e3
        self.finished_at = time.time()

    @property
    def content_type(self) -> str:
        """The body's Content-Type, empty if none was sent."""
        return self.headers.get(b"content-type", b"").decode("latin-1")


def request_id_for(headers: Mapping[bytes, bytes]) -> str:
    """Return the request id that the client sent, if it is safe to repeat, or a new one."""
    sent = headers.get(b"x-request-id")
    if sent is not None and _CLIENT_ID.fullmatch(sent):
        return sent.decode("ascii")
    return new_request_id()


def new_request_id() -> str:
    """Return a ULID: 48 bits of milliseconds and 80 random bits, sortable by time."""
    value = (time.time_ns() // 1_000_000 << 80) | _generator.getrandbits(80)
    # 26 characters of 5 bits are 130 bits: the first pair holds the upper 8 of the 128
    return "".join([_PAIRS[(value >> shift) & 1023] for shift in range(120, -1, -10)])


def attach_record(scope: MutableMapping[str, Any], record: RequestRecord) -> None:
    """Keep the record in the ASGI scope."""
    scope[_KEY] = record


def find_record(scope: MutableMapping[str, Any]) -> RequestRecord | None:
    """Return the record of a request that may have none yet."""
    record: RequestRecord | None = scope.get(_KEY)
    return record


def record_of(scope: MutableMapping[str, Any]) -> RequestRecord:
    """Return the record of a request."""
    record: RequestRecord = scope[_KEY]
    return record
