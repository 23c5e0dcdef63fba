"""A connection: uvicorn's protocol for HTTP/1.1 over httptools, with a short way to /classify.

POST /classify is answered by an `Exchange`, without ASGI: for an inference of 2 ms that costs more
than all else that the server adds. All other requests go uvicorn's usual way to the app.
"""

import time
from typing import Any

import httptools

from service.api.record import RequestRecord, request_id_for
from service.api.wire.app_cycle import cycle_for_app
from service.api.wire.bounded import BoundedProtocol, Cycle, Phase
from service.api.wire.exchange import PATH, Exchange
from service.api.wire.front import NEVER
from service.api.wire.heads import check_head, head_bytes
from service.api.wire.outlet import Outlet
from service.errors import MalformedRequest

_TARGET = PATH.encode()
_TARGET_WITH_QUERY = _TARGET + b"?"
_APP_GRACE_S = 1.0  # the app's own time limit for a body comes first
# A parser is called for each piece of a body, and what is read at once, 256 kB, may hold 43,000 of
# the smallest: that takes it 10 ms. The transport would go on with all that has arrived, megabytes,
# before anybody else is heard; so others have twice as long before the next are read.
_MANY_PIECES = 1000
_OTHERS_SHARE = 2
_MOST_AHEAD = 16  # requests sent before the answers to those before them


class Connection(BoundedProtocol):
    """One client's connection: reads requests, and answers them one after the other."""

    # ---- what the transport tells

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.outlet = Outlet(transport, plain=self.scheme == "http")
        self._due = time.monotonic() + self._head_s
        connections: Any = self.connections  # all of them are ours
        self.front.watch(connections, self.loop)

    def data_received(self, data: bytes) -> None:
        if self.front.sent:
            self.front.settle_sent()
        self._fed_bytes = len(data)
        self._pieces = 0
        began = time.monotonic()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._stop_reading(_meaning_of(error))
            return
        if self._phase is Phase.HEAD:
            self._head_bytes += self._fed_bytes
            if self._head_bytes > self._most_head_bytes:
                self._stop_reading(self._head_too_large())
        elif self._phase is Phase.BODY:
            self._check_progress()
        if self._pieces > _MANY_PIECES and not self.flow.read_paused:
            self.flow.pause_reading()
            self.loop.call_later(_OTHERS_SHARE * (time.monotonic() - began), self._read_on)

    def _read_on(self) -> None:
        if not self.transport.is_closing():
            self.flow.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections.discard(self)
        self._phase, self._due, self._send_due = Phase.CLOSING, NEVER, NEVER
        self.outlet.close()
        self.front.settle_sent()
        for cycle in (self.active, *[cycle for cycle, _ in self.pipeline]):
            if isinstance(cycle, Exchange):
                cycle.abandon()
            elif cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        self.pipeline.clear()
        self.flow.resume_writing()
        self.active = self.cycle = None  # type: ignore[assignment]
        self._hear_no_more()
        if exc is None:
            self.transport.close()

    def pause_writing(self) -> None:
        self._send_due = time.monotonic() + self._send_s
        super().pause_writing()

    def resume_writing(self) -> None:
        self._send_due = NEVER
        super().resume_writing()
        if self._held_up:
            self._held_up = False
            self.loop.call_soon(self._go_on)

    # ---- what the parser tells

    def on_message_begin(self) -> None:
        if self._last:
            return
        self.url = b""
        self.headers = []
        self._head_bytes = 0
        self._phase = Phase.HEAD
        self._due = time.monotonic() + self._head_s

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._phase is Phase.HEAD:  # trailers are not used
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self._last:
            return
        headers, url, parser = self.headers, self.url, self.parser
        by_name = dict(headers)
        version = parser.get_http_version()
        if self._head_bytes + self._fed_bytes > self._most_head_bytes < head_bytes(url, headers):
            raise self._head_too_large()
        check_head(url, headers, by_name, version, self._most_headers)
        if parser.should_upgrade():
            raise MalformedRequest(
                "No other protocol is offered: send the request without Upgrade."
            )
        keep_alive = version != "1.0" and parser.should_keep_alive()
        if self._takes_short_way(url, by_name):
            client = self.client[0] if self.client else ""
            record = RequestRecord(request_id_for(by_name), "POST", PATH, by_name, client)
            query = url[len(_TARGET_WITH_QUERY) :]
            cycle: Cycle = Exchange(self, record, query, keep_alive=keep_alive)
        else:
            cycle = cycle_for_app(self, by_name, version, keep_alive=keep_alive)
        self.cycle = cycle  # type: ignore[assignment]
        self._phase = Phase.BODY
        if self.active is None and not self.pipeline:
            self._start(cycle)
        else:
            self._put_behind(cycle)

    def on_body(self, body: bytes) -> None:
        self._pieces += 1
        cycle: Any = self.cycle
        if type(cycle) is Exchange:
            cycle.add(body)
        elif cycle is not None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._last:
            return
        cycle: Any = self.cycle
        if cycle.response_complete:
            self._rest()
            return
        self._phase, self._due = Phase.READ, NEVER
        if type(cycle) is Exchange:
            cycle.end()
        else:
            super().on_message_complete()

    # ---- from one request to the next

    def on_response_complete(self) -> None:
        """Begin the next request, or wait for one; called after each answer."""
        self.server_state.total_requests += 1
        self.active = None
        if self._phase is Phase.CLOSING:
            return
        if self.transport.is_closing():
            self._phase, self._due = Phase.CLOSING, time.monotonic() + self._send_s
        elif self.flow.write_paused:
            self._held_up = True  # whoever reads no answers gets no more of them
        elif self.pipeline:
            self.loop.call_soon(self._go_on)  # not from here: many answers would nest as deep
        else:
            self._go_on()

    def _put_behind(self, cycle: Cycle) -> None:
        """Let a request that was sent ahead wait for the one in work."""
        self.flow.pause_reading()
        self._due = NEVER
        if len(self.pipeline) == _MOST_AHEAD:
            self._hear_no_more()
        else:
            self.pipeline.appendleft((cycle, self.app))  # type: ignore[arg-type]
        if type(self.active) is Exchange:
            self.active.hurry()

    def _go_on(self) -> None:
        if self._phase is Phase.CLOSING:
            return
        if self.pipeline:
            cycle, _ = self.pipeline.pop()
            self._start(cycle)
        elif self._last:
            self.close_after_sending(in_full=False)
        else:
            if self.flow.read_paused:
                self.flow.resume_reading()
            if self._phase is Phase.READ:
                self._rest()

    def _rest(self) -> None:
        self._phase, self._due = Phase.IDLE, time.monotonic() + self._idle_s

    def _start(self, cycle: Cycle) -> None:
        self.active = cycle
        if self._phase is Phase.BODY and cycle is self.cycle:
            self._due = time.monotonic() + self._body_s
            if self.flow.read_paused:
                self.flow.resume_reading()
        if isinstance(cycle, Exchange):
            cycle.open()
        else:
            self._due += _APP_GRACE_S
            self._start_asgi_task(cycle, self.app)

    def _takes_short_way(self, url: bytes, headers: dict[bytes, bytes]) -> bool:
        """Tell an image to classify; a browser's cross-origin request needs the app's CORS."""
        return (
            (url == _TARGET or url.startswith(_TARGET_WITH_QUERY))
            and self.parser.get_method() == b"POST"
            and b"origin" not in headers
            and b"#" not in url
        )


def _meaning_of(error: Exception) -> Exception:
    """Return what an error of the parser says, or the error of ours that ended it."""
    cause = error.__context__
    ours = isinstance(error, httptools.HttpParserCallbackError)
    if ours and not isinstance(cause, httptools.HttpParserError):
        return cause if isinstance(cause, Exception) else error
    return MalformedRequest("The bytes are no HTTP/1.1 request that can be understood.")
