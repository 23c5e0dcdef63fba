"""How a connection ends: late, unreadable, refused, or when all is said.

uvicorn bounds neither the time of a head or a body nor their size, and answers what is no HTTP in
plain text. Here a late connection is ended by one look at all of them, a few times a second, and
every refusal is a problem document.
"""

import enum
import time
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.api.answers import Answer
from service.api.problems import answer_to, log_if_bug
from service.api.record import RequestRecord, find_record, new_request_id
from service.api.wire.exchange import Exchange
from service.api.wire.front import NEVER, Front
from service.api.wire.outlet import Outlet
from service.errors import BodyTooSlow, HeadTooLarge, HeadTooSlow, MalformedRequest, NotReady

_LINGER_S = 2.0
_UVICORNS_PAUSE_S = 0.1  # before it counts the time to finish
_NO_METHOD = "-"


class Phase(enum.Enum):
    """How far the request that is being read has come."""

    IDLE = enum.auto()  # none has begun
    HEAD = enum.auto()
    BODY = enum.auto()
    READ = enum.auto()  # all of it is there
    CLOSING = enum.auto()  # nothing more is read


class _Deaf:
    """Stands where the parser was, once nothing more is to be understood."""

    def feed_data(self, data: bytes) -> None:
        """Drop it."""


_DEAF: Any = _Deaf()

Cycle = Exchange | RequestResponseCycle


class BoundedProtocol(HttpToolsProtocol):
    """A connection's limits; `cycle` is the request read last, `active` the one in work."""

    def __init__(self, front: Front, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self.front = front
        settings = front.context.settings
        self._most_head_bytes = settings.max_header_bytes
        self._most_headers = settings.max_headers
        self._head_s, self._body_s = settings.header_timeout_s, settings.body_timeout_s
        self._idle_s, self._send_s = settings.keep_alive_timeout_s, settings.send_timeout_s
        self.outlet: Outlet  # from the moment there is a transport
        self.active: Cycle | None = None
        self._phase = Phase.IDLE
        self._due = self._send_due = NEVER
        self._head_bytes = self._fed_bytes = self._fed_in_vain = self._pieces = 0
        self._held_up = False
        self._last = False

    def serialise(self, answer: Answer, record: RequestRecord, *, close: bool) -> bytes:
        """Return an answer as it goes over the wire; on any thread."""
        defaults = self.server_state.default_headers
        return self.front.serialise(answer, record, defaults, close=close)

    def send(self, answer: Answer, record: RequestRecord, *, close: bool) -> None:
        """Send an answer."""
        self.transport.write(self.serialise(answer, record, close=close))

    def look(self, now: float) -> None:
        """End what is late at `now`, a `time.monotonic()`."""
        active = self.active
        if type(active) is Exchange and now >= active.deadline:
            active.expire()
        if now >= self._send_due:
            self.transport.abort()
        elif now >= self._due:
            self._end_late()

    def _end_late(self) -> None:
        if self._phase is Phase.IDLE:
            self.transport.close()
            self._phase, self._due = Phase.CLOSING, time.monotonic() + self._send_s
        elif self._phase is Phase.CLOSING:
            self.transport.abort()
        elif self._phase is Phase.HEAD:
            self._stop_reading(HeadTooSlow(f"The head did not arrive within {self._head_s:g} s."))
        elif self._phase is Phase.BODY:
            self._stop_reading(BodyTooSlow(f"The body did not arrive within {self._body_s:g} s."))

    def _stop_reading(self, error: Exception) -> None:
        """Answer what is no request, or does not come to its end, and read no further."""
        if self._last:
            return
        cycle: Cycle | None = self.cycle if self._phase is Phase.BODY else None
        self._hear_no_more()
        if cycle is None and self.active is None and not self.pipeline:
            self._answer_nothing(error)
        elif cycle is None:
            log_if_bug(error)  # the answers before it come first, and then the end
        elif cycle.response_complete:
            self.close_after_sending(in_full=False)
        elif cycle is not self.active:
            log_if_bug(error)
            self.pipeline.popleft()  # it waits, and its body will never be there
        elif isinstance(cycle, Exchange):
            cycle.keep_alive = False
            cycle.refuse(error)
        else:
            self._break_off(cycle, error)

    def _hear_no_more(self) -> None:
        self.parser = _DEAF
        self._last, self._due = True, NEVER

    def _answer_nothing(self, error: Exception) -> None:
        """Answer an error before there is a request."""
        client = self.client[0] if self.client else ""
        path = self.url.decode("latin-1") if self._phase is Phase.HEAD else ""
        record = RequestRecord(new_request_id(), _NO_METHOD, path, client=client)
        answer = answer_to(record, error)
        record.status = answer.status
        self.send(answer, record, close=True)
        self.front.context.ledger.note(record)
        self.close_after_sending(in_full=False)

    def _break_off(self, cycle: RequestResponseCycle, error: Exception) -> None:
        """End a request that the app has in hand."""
        cycle.disconnected = cycle.response_complete = True
        cycle.message_event.set()
        self.active = None
        if cycle.response_started:
            self.transport.abort()
            return
        record = find_record(cycle.scope) or RequestRecord(new_request_id())  # type: ignore[arg-type]
        self.send(answer_to(record, error), record, close=True)
        self.close_after_sending(in_full=False)

    def _check_progress(self) -> None:
        """Refuse what the parser swallows without end: a chunk's extension, or trailers."""
        self._fed_in_vain = 0 if self._pieces else self._fed_in_vain + self._fed_bytes
        if self._fed_in_vain > self._most_head_bytes:
            self._stop_reading(MalformedRequest("The body's framing has no end."))

    def _head_too_large(self) -> HeadTooLarge:
        most = self._most_head_bytes
        return HeadTooLarge(f"The head of the request has more than the {most} bytes allowed.")

    def shutdown(self) -> None:
        """Begin to end, after SIGTERM: what is in work has its time, then it is told so."""
        self.outlet.close()  # all answers go the loop's way now, which ends the connection
        self.front.settle_sent()
        super().shutdown()
        if isinstance(self.active, Exchange):
            allowed_s = self.front.context.settings.shutdown_timeout_s + _UVICORNS_PAUSE_S / 2
            self.loop.call_later(allowed_s, self._give_up)

    def _give_up(self) -> None:
        if isinstance(self.active, Exchange):
            self.active.keep_alive = False
            self.active.refuse(NotReady("The service is shutting down."))

    def close_after_sending(self, *, in_full: bool) -> None:
        """Close once the answer has gone; if the request was not read in full, let it run dry.

        Closing with unread bytes would reset the connection, and the answer could be lost.
        """
        self._hear_no_more()
        self._phase = Phase.CLOSING
        self._due = time.monotonic() + (self._send_s if in_full else _LINGER_S)
        if in_full or not self.transport.can_write_eof():
            self.transport.close()
        elif not self.transport.is_closing():
            self.flow.resume_reading()
            self.transport.write_eof()
