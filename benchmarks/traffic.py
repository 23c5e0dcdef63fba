"""What is sent and what came of it: the terms that all load generators share."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.summary import percentile


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests that are sent in turn: bodies and paths, each over and over."""

    bodies: tuple[bytes, ...]
    paths: tuple[str, ...] = ("/classify",)
    content_type: str = "image/jpeg"

    def requests(self) -> list[bytes]:
        """Return the HTTP/1.1 requests with their heads, every path with its share of bodies."""
        count = len(self.bodies) * len(self.paths)
        return [
            self._head(self.paths[i % len(self.paths)], len(body)) + body
            for i in range(count)
            if (body := self.bodies[i % len(self.bodies)])
        ]

    def _head(self, path: str, length: int) -> bytes:
        return (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Content-Type: {self.content_type}\r\nContent-Length: {length}\r\n\r\n"
        ).encode()


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a load generator saw."""

    seconds: float
    answered: int  # 2xx
    refused: int  # any other status
    failed: int  # no answer: connection, read or time-out
    p50_ms: float  # of 2xx answers; wrk cannot tell them from refusals and takes all
    p99_ms: float

    @property
    def per_s(self) -> float:
        """2xx answers a second (goodput)."""
        return self.answered / self.seconds

    def require_clean(self) -> "LoadResult":
        """Return this result.

        Raises:
            RuntimeError: something was refused or failed, so that the figures would mislead.
        """
        if self.refused or self.failed or not self.answered:
            raise RuntimeError(
                f"{self.answered} answered, {self.refused} refused, {self.failed} failed"
            )
        return self


def load_result(
    seconds: float, latencies_ms: Sequence[float], refused: int, failed: int
) -> LoadResult:
    """Return the result of a run with one latency for each 2xx answer."""
    p50, p99 = (percentile(latencies_ms, share) if latencies_ms else 0.0 for share in (0.5, 0.99))
    return LoadResult(seconds, len(latencies_ms), refused, failed, p50, p99)
