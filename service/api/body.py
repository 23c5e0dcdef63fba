"""Reading request bodies: bounded in bytes and time, kept in memory, never on disk."""

import asyncio
import time

from starlette.requests import ClientDisconnect, Request

from service.api.record import record_of
from service.errors import (
    BodyTooLarge,
    BodyTooSlow,
    EmptyBody,
    MalformedRequest,
    UnsupportedMedia,
)


async def read_body(request: Request, limit: int, timeout_s: float) -> bytes:
    """Read the whole body.

    Args:
        request: the request, whose body has not been read.
        limit: most bytes, also for chunked bodies.
        timeout_s: time for the body to arrive, s.

    Raises:
        UnsupportedMedia: the body is compressed.
        BodyTooLarge, BodyTooSlow, EmptyBody: it is.
        MalformedRequest: the client went away before its end.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"identity", ""}:
        raise UnsupportedMedia("Encoded bodies are not accepted: send it without Content-Encoding.")
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise _too_large(limit)
    started = time.perf_counter()
    try:
        async with asyncio.timeout(timeout_s):
            body = await _collect(request, limit)
    except TimeoutError:
        raise BodyTooSlow(f"The body did not arrive within {timeout_s:g} s.") from None
    except ClientDisconnect:
        raise MalformedRequest("The body is shorter than announced.") from None
    record_of(request.scope).receive_ms = round((time.perf_counter() - started) * 1e3, 2)
    if not body:
        raise EmptyBody("The body is empty: send the bytes of a photo.")
    return body


async def _collect(request: Request, limit: int) -> bytes:
    chunks: list[bytes] = []
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > limit:
            raise _too_large(limit)
        chunks.append(chunk)
    return b"".join(chunks)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body has more than the {limit} bytes allowed.")
