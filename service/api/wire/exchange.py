"""POST /classify without the framework: from its head to its answer, in one object.

It stands where uvicorn has its RequestResponseCycle. What it decides and answers is what the
route of the app decides and answers, by the same functions.
"""

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from service.api.answers import JSON_TYPE, Answer, Classified
from service.api.classify import classify_body
from service.api.intake import take_in, too_large
from service.api.problems import answer_to
from service.api.record import NOTHING_SENT, RequestRecord
from service.api.wire.front import NEVER
from service.engine.job import Job
from service.errors import DeadlineExceeded, EmptyBody, Overloaded

if TYPE_CHECKING:
    from service.api.wire.connection import Connection

PATH = "/classify"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# The rest of a body that is refused is read to keep the connection, if it is no more than this.
_MOST_READ_IN_VAIN = 1_000_000
_NOTHING = b""


class Exchange:
    """One request to classify an image, and its answer."""

    __slots__ = (
        "_asked", "_body", "_chunks", "_classified", "_connection", "_hurried", "_job", "_left",
        "_most_bytes", "_query", "_received", "_received_bytes", "_shedding", "_timer",
        "_wants_continue", "arrived", "deadline", "keep_alive", "record", "response_complete",
    )  # fmt: skip

    def __init__(
        self, connection: "Connection", record: RequestRecord, query: bytes, *, keep_alive: bool
    ) -> None:
        self.record = record
        self.keep_alive = keep_alive
        self.response_complete = False
        self.arrived = False  # the whole body
        self.deadline = NEVER
        self._connection = connection
        self._query = query
        self._wants_continue = record.headers.get(b"expect", _NOTHING).lower() == b"100-continue"
        self._chunks: list[bytes] = []
        self._received_bytes = 0
        self._shedding = False
        self._most_bytes = connection.front.context.settings.max_body_bytes
        self._job: Job[Classified] | None = None
        self._classified: Classified | None = None
        self._left = _NOTHING  # of the answer, which the socket did not take
        self._hurried = False
        self._timer: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Decide from the head whether to answer; begin at once if the body is there."""
        connection = self._connection
        context = connection.front.context
        self.record.route = PATH
        try:
            asked = take_in(context, self.record, self._query, self._most_bytes)
        except Overloaded as error:
            self._shed(error)
            return
        except Exception as error:
            self.refuse(error)
            return
        self._asked = asked
        self.deadline = asked.deadline
        if asked.hurried:
            left = asked.deadline - time.monotonic()
            self._timer = connection.loop.call_later(left, self.expire)
        if self.arrived:
            self._begin()
        elif self._wants_continue:
            self._wants_continue = False
            connection.transport.write(_CONTINUE)

    def add(self, chunk: bytes) -> None:
        """Take in a piece of the body."""
        self._received_bytes += len(chunk)
        if self.response_complete or self._shedding:
            return
        if self._received_bytes > self._most_bytes:
            self.refuse(too_large(self._most_bytes))
            return
        try:
            self._connection.front.context.bodies.hold(self.record, len(chunk))
        except Overloaded as error:
            self._shed(error)
            return
        self._chunks.append(chunk)

    def end(self) -> None:
        """Take note that the body is there."""
        self.arrived = True
        if self.deadline is not NEVER and not self.response_complete and not self._shedding:
            self._begin()

    def _begin(self) -> None:
        received = self._received = time.perf_counter()
        self.record.receive_ms = round((received - self.record.started) * 1e3, 2)
        chunks = self._chunks
        self._body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        if not self._body:
            self.refuse(EmptyBody("The body is empty: send the bytes of a photo."))
            return
        context = self._connection.front.context
        wishes = self._asked.wishes
        try:
            if wishes is not None:  # others have come since it was asked for the first time
                unread_ms = self._connection.front.unread_ms(self._connection.transport)
                self._asked.unread_ms = unread_ms
                context.chooser.check_wait(wishes.longest_wait_ms, unread_ms)
            if not self._connection.transport.get_write_buffer_size():
                self._hurried = self._connection.flow.read_paused  # no request will wake the loop
                self._connection.outlet.lend(self)
            pool, lane = context.pool, self._asked.served.name
            self._job = pool.submit(self._work, self.deadline, self._done, lane)
        except Overloaded as error:
            self._shed(error)

    def _work(self, queued_ms: float) -> Classified:
        """Do it all, on a worker thread."""
        context = self._connection.front.context
        done = self._classified = classify_body(
            context, self.record, self._asked, self._body, self._received, queued_ms
        )
        return done

    def _done(self) -> None:
        """Answer from the worker thread, or go back to the event loop."""
        if self._classified is None or not self._send_from_here(self._classified):
            with contextlib.suppress(RuntimeError):  # the loop has ended, nobody waits
                self._connection.loop.call_soon_threadsafe(self._finish)

    def _send_from_here(self, done: Classified) -> bool:
        """Send the answer on the worker thread; tell whether the event loop need not hurry."""
        connection = self._connection
        if not self.keep_alive:
            return False
        data = connection.serialise(Answer(200, JSON_TYPE, done.body), self.record, close=False)
        count = connection.outlet.write(self, data)
        if count is None:
            return False
        self.record.end()
        self._body, self._left = _NOTHING, data[count:]
        connection.front.sent.append(self)
        return not self._left and not self._hurried

    def hurry(self) -> None:
        """Take note that others wait for the end of this request, on the event loop."""
        self._hurried = True
        self._connection.front.settle_sent()

    def settle(self) -> None:
        """Take note, on the event loop, that the answer was sent from the worker thread."""
        done = self._classified
        if self.response_complete or done is None:
            return
        if self._left:
            self._connection.transport.write(self._left)
        self.record.status = 200
        self.record.classified.append((self._asked.served, done.times))
        self._end()

    def _finish(self) -> None:
        self._connection.front.settle_sent()
        job, self._job = self._job, None
        if job is None:
            return
        try:
            done = job.result()
        except Exception as error:
            self.refuse(error)
            return
        self.record.classified.append((self._asked.served, done.times))
        self._send(Answer(200, JSON_TYPE, done.body))

    def refuse(self, error: Exception) -> None:
        """Answer with an error of the tree, or as to a bug, which any other error is."""
        if self.response_complete or not self._connection.outlet.take_back(self):
            return
        answer = answer_to(self.record, error)
        if not self.arrived and not self._worth_reading_on():
            self.keep_alive = False
        self._send(answer)

    def _shed(self, error: Overloaded) -> None:
        """Refuse now or in a moment; what comes of the body until then is dropped.

        In that moment most of a long body arrives, and the connection need not be closed.
        """
        self._shedding = True
        now = self.arrived or self._wants_continue or self._worth_reading_on()
        self._connection.front.refuse_soon(self, error, now=now)

    def expire(self) -> None:
        """Give up, the deadline has passed; a job that waits is dropped."""
        self.refuse(DeadlineExceeded("The request's time ran out before there was an answer."))

    def abandon(self) -> None:
        """Take note that the client has gone; a job that waits is dropped."""
        if not self._connection.outlet.take_back(self):
            self.settle()
        if self.response_complete:
            return
        if self.deadline is not NEVER and not self.arrived:
            self.record.status, self.record.error_code = 400, "malformed_request"
        else:
            self.record.status = NOTHING_SENT
        self._close()

    def _worth_reading_on(self) -> bool:
        """Tell whether little enough of a refused body is left to be read for the next request."""
        announced = self.record.headers.get(b"content-length", _NOTHING)
        if self._wants_continue or not announced.isdigit():
            return False
        return int(announced) - self._received_bytes <= _MOST_READ_IN_VAIN

    def _send(self, answer: Answer) -> None:
        connection, record = self._connection, self.record
        record.status = answer.status
        connection.send(answer, record, close=not self.keep_alive)
        self._end()

    def _end(self) -> None:
        connection = self._connection
        self._close()
        if not self.keep_alive:
            connection.close_after_sending(in_full=self.arrived)
        connection.on_response_complete()

    def _close(self) -> None:
        """Let go of all that is large, and account for the request."""
        self.response_complete = True
        if self._job is not None:
            self._job.cancel()
            self._job = None
        if self._timer is not None:
            self._timer.cancel()
        self._chunks.clear()
        self._body = _NOTHING
        self._connection.front.context.ledger.note(self.record)
