"""How many bytes of bodies are in memory, all requests together.

What counts is what has arrived: a body that is only announced takes no memory, and clients that
announce much and send nothing must not keep others out.
"""

from service.api.record import RequestRecord
from service.errors import Overloaded


class HeldBodies:
    """The bytes of all bodies in memory; used from the event loop's thread only."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self.held_bytes = 0

    def check(self, announced: bytes) -> None:
        """Refuse a body before it is read, by its Content-Length if it has one.

        Raises:
            Overloaded: it would not fit beside those that are held.
        """
        coming = int(announced) if announced.isdigit() else 0
        if self.held_bytes and self.held_bytes + coming > self._most_bytes:
            raise self._full()

    def hold(self, record: RequestRecord, count: int) -> None:
        """Take in bytes of a request; one that is alone always fits.

        Raises:
            Overloaded: there are too many bytes with them.
        """
        self.held_bytes += count
        record.held_bytes += count
        if record.held_bytes < self.held_bytes > self._most_bytes:
            raise self._full()

    def release(self, record: RequestRecord) -> None:
        """Take note that a request holds none any more."""
        self.held_bytes -= record.held_bytes
        record.held_bytes = 0

    def _full(self) -> Overloaded:
        return Overloaded("The bodies of other requests fill the memory for them: try again later.")
