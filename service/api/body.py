"""Reading request bodies: bounded in bytes and time, kept in memory, never on disk."""

import asyncio
import time

from starlette.requests import Request

from service.api.context import context_of
from service.api.intake import check_body_headers, too_large
from service.api.record import RequestRecord, record_of
from service.errors import BodyTooSlow, EmptyBody, MalformedRequest


async def read_body(request: Request, limit: int, timeout_s: float) -> bytes:
    """Read the whole body.

    Args:
        request: the request, whose body has not been read and whose head was checked.
        limit: most bytes, also for chunked bodies.
        timeout_s: time for the body to arrive, s.

    Raises:
        Overloaded: the bodies of other requests fill the memory for them.
        UnsupportedMedia: the body is compressed.
        BodyTooLarge, BodyTooSlow, EmptyBody: it is.
        MalformedRequest: the client went away before its end.
    """
    record = record_of(request.scope)
    check_body_headers(record, limit)
    started = time.perf_counter()
    try:
        async with asyncio.timeout(timeout_s):
            body = await _collect(request, record, limit)
    except TimeoutError:
        raise BodyTooSlow(f"The body did not arrive within {timeout_s:g} s.") from None
    record.receive_ms = round((time.perf_counter() - started) * 1e3, 2)
    if not body:
        raise EmptyBody("The body is empty: send the bytes of a photo.")
    return body


async def _collect(request: Request, record: RequestRecord, limit: int) -> bytes:
    bodies = context_of(request).bodies
    chunks: list[bytes] = []
    received = 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise MalformedRequest("The body is shorter than announced.")
        chunk: bytes = message.get("body", b"")
        received += len(chunk)
        if received > limit:
            raise too_large(limit)
        bodies.hold(record, len(chunk))
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)
