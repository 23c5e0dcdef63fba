"""What all connections of one server share: the service, its limits, and one clock for all."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Collection
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from service.api.answers import Answer
from service.api.context import Context
from service.api.record import RequestRecord
from service.api.wire.arrival import ms_since_arrival
from service.api.wire.turns import Turns

NEVER = math.inf

_MOST_LOOKS_A_SECOND = 50
_FEWEST_LOOKS_A_SECOND = 4
_LOOKS_IN_A_LIMIT = 8  # so that nothing ends later than an eighth of its time

# A refusal is sent at once, which keeps the connections few. But so many for each image that is
# answered take a quarter of a processor: then they wait for a while and are sent together, since
# the clients are such as ask again at once. That is well below what a refusal may take (50 ms).
_MOST_REFUSALS_A_JOB = 16
_COUNTED_S = 0.1
_TOGETHER_FOR_S, _MOMENT_S = 1.0, 0.03

_HEAD = (
    "%scontent-length: %d\r\ncontent-type: %s\r\nx-request-id: %s\r\n"
    "x-content-type-options: nosniff\r\n%s\r\n"
)
_CLOSE = "connection: close\r\n"

DefaultHeaders = list[tuple[bytes, bytes]]


class Watched(Protocol):
    """A connection that has to be looked at now and then."""

    def look(self, now: float) -> None:
        """End what is late at `now`, a `time.monotonic()`."""
        ...


class Refused(Protocol):
    """A request that is refused."""

    def refuse(self, error: Exception) -> None:
        """Answer with an error, unless it is answered."""
        ...


class Sent(Protocol):
    """A request whose answer a worker thread has sent."""

    def settle(self) -> None:
        """Take note of that."""
        ...


class Front:
    """Shared by the connections of one server.

    Used from the event loop's thread, but for `sent`, to which worker threads append, and
    `serialise`.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        settings = context.settings
        limits = (
            settings.header_timeout_s, settings.body_timeout_s, settings.send_timeout_s,
            settings.keep_alive_timeout_s, settings.request_timeout_ms / 1e3,
        )  # fmt: skip
        often = _LOOKS_IN_A_LIMIT / min(limits)
        self._pause_s = 1 / min(max(often, _FEWEST_LOOKS_A_SECOND), _MOST_LOOKS_A_SECOND)
        self._watching = False
        self._starts: tuple[DefaultHeaders, dict[int, str]] = ([], {})
        self.sent: deque[Sent] = deque()
        context.ledger.settle_before(self.settle_sent)
        self._refused: list[tuple[Refused, Exception]] = []
        self._refusals = 0
        self._count_until = self._together_until = 0.0
        self._turns = Turns()

    def watch(self, connections: Collection[Watched], loop: asyncio.AbstractEventLoop) -> None:
        """Look at the connections a few times a second, as long as there are any.

        A timer for each request would be more exact and cost more than all else that a request
        costs here.
        """
        if not self._watching:
            self._watching = True
            loop.call_later(self._pause_s, self._look, connections, loop)

    def _look(self, connections: Collection[Watched], loop: asyncio.AbstractEventLoop) -> None:
        self.settle_sent()
        now = time.monotonic()
        for connection in tuple(connections):
            connection.look(now)
        self._watching = False
        if connections:
            self.watch(connections, loop)

    def settle_sent(self) -> None:
        """Take note of all answers that worker threads have sent so far.

        Nothing wakes the loop for them: it looks when it is awake, at the latest for the clock.
        """
        while self.sent:
            self.sent.popleft().settle()

    def unread_ms(self, transport: Any) -> float:
        """Return how long a request that was read now had waited to be read, ms.

        Only under overload does it wait for more than a moment, and is a tick knowledge.
        """
        return ms_since_arrival(transport) if self._turns.patient else 0.0

    def refuse_soon(self, late: Refused, error: Exception, *, now: bool = True) -> None:
        """Refuse a request: `now`, unless there are very many, or in a moment."""
        at = time.monotonic()
        self._turns.overloaded(at)
        if at >= self._count_until:
            self._refusals, self._count_until = 0, at + _COUNTED_S
        self._refusals += 1
        if self._refusals > _MOST_REFUSALS_A_JOB * _COUNTED_S * self.context.pool.jobs_per_s():
            self._together_until = at + _TOGETHER_FOR_S
        if not now:
            asyncio.get_running_loop().call_later(_MOMENT_S, late.refuse, error)
        elif at >= self._together_until:
            late.refuse(error)
        else:
            self._refused.append((late, error))
            if len(self._refused) == 1:
                asyncio.get_running_loop().call_later(_MOMENT_S, self._refuse_all)

    def _refuse_all(self) -> None:
        refused, self._refused = self._refused, []
        loop = asyncio.get_running_loop()
        for late, error in refused:
            loop.call_soon(late.refuse, error)  # were one to fail, the others would not

    def serialise(
        self, answer: Answer, record: RequestRecord, defaults: DefaultHeaders, *, close: bool
    ) -> bytes:
        """Return an answer as it goes over the wire; on any thread.

        Args:
            answer: what to send.
            record: the request.
            defaults: headers that uvicorn adds to all answers; it makes a new list every second.
            close: the connection ends with this answer.
        """
        kept_for, starts = self._starts
        if kept_for is not defaults:
            starts = {}
            self._starts = (defaults, starts)
        start = starts.get(answer.status)
        if start is None:
            start = starts[answer.status] = _start(answer.status, defaults)
        extra = "".join([f"{name}: {value}\r\n" for name, value in answer.headers])
        if close:
            extra += _CLOSE
        head = _HEAD % (start, len(answer.body), answer.media_type, record.request_id, extra)
        return head.encode("latin-1") + answer.body


def _start(status: int, defaults: DefaultHeaders) -> str:
    lines = [STATUS_LINE[status], *(b"%b: %b\r\n" % header for header in defaults)]
    return b"".join(lines).decode("latin-1")
