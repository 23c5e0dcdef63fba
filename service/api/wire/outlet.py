"""A connection's way out for the worker thread that has the answer.

Handed to the event loop, an answer wakes that thread, which takes the processor from an inference
and needs the GIL again before anything is sent. Written by the worker thread itself, it is with
the client at once, and the loop takes note of it when it is awake for something else.
"""

import os
import threading
from typing import Any


class Outlet:
    """A connection's socket, lent to one worker thread at a time; thread-safe.

    What is written here goes past the transport's buffer, so it is lent only while that is empty
    and nobody else writes. A transport closes its socket after `connection_lost`: whoever calls
    `close` there can be sure that no thread writes to that file number, and what it stands for
    next.
    """

    __slots__ = ("_file", "_lent_to", "_lock", "_used_by")

    def __init__(self, transport: Any, *, plain: bool) -> None:
        """Take the socket of a transport, unless what is sent must be encrypted (not `plain`)."""
        socket = transport.get_extra_info("socket") if plain else None
        self._file: int | None = None if socket is None else socket.fileno()
        self._lock = threading.Lock()  # held while a worker thread writes, which never waits
        self._lent_to: object = None
        self._used_by: object = None

    def lend(self, to: object) -> None:
        """Let the answer to one request be written from another thread, once."""
        self._lent_to = to

    def take_back(self, of: object) -> bool:
        """End what was lent; tell whether the answer to that request is still to be written."""
        with self._lock:
            if self._lent_to is of:
                self._lent_to = None
            return self._used_by is not of

    def write(self, of: object, data: bytes) -> int | None:
        """Write an answer without waiting.

        Returns:
            How many bytes the socket took, or None if the event loop has to answer: it was taken
            back, or the connection breaks.
        """
        with self._lock:
            if self._lent_to is not of or self._file is None:
                return None
            try:
                count = os.write(self._file, data)
            except BlockingIOError:
                count = 0
            except OSError:
                return None
            self._lent_to, self._used_by = None, of
            return count

    def close(self) -> None:
        """Let no other thread write any more; one that does so now ends first."""
        with self._lock:
            self._file = None
