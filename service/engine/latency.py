"""Latency percentiles over a sliding window, in bounded memory and a few microseconds a request.

Each stage has a histogram with geometric buckets (4 % apart, so a percentile is within 2 %) for
each time slice; slices older than the window are dropped. Counts are exact.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from service.engine.pipeline import STAGES, StageTimes

_SMALLEST_MS = 0.01
_LOG_RATIO = math.log(1.04)
_BUCKETS = 420  # 0.01 ms to about 140 s
_SLICES = 30

Percentiles = dict[str, float]
# of another process: when it began, requests, and counts by stage and bucket
Slices = list[tuple[float, int, dict[str, dict[str, int]]]]


class _Slice:
    """The counts of one stretch of time."""

    __slots__ = ("counts", "requests", "started")

    def __init__(self, started: float) -> None:
        self.started = started
        self.requests = 0
        self.counts: dict[str, dict[int, int]] = {stage: {} for stage in STAGES}


class LatencyWindow:
    """Stage times of one model over the last `seconds`; thread-safe."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._slice_seconds = seconds / _SLICES
        self._clock = clock
        self._lock = threading.Lock()
        self._slices: deque[_Slice] = deque()

    def add(self, times: StageTimes) -> None:
        """Count one answered request."""
        buckets = [(stage, _bucket(getattr(times, stage))) for stage in STAGES]
        with self._lock:
            current = self._current_slice()
            current.requests += 1
            for stage, bucket in buckets:
                counts = current.counts[stage]
                counts[bucket] = counts.get(bucket, 0) + 1

    def summary(self, others: Iterable[Slices] = ()) -> tuple[int, dict[str, Percentiles]]:
        """Return the number of requests and, by stage, p50, p90 and p99 in ms (empty at 0).

        Args:
            others: `slices` of windows of the same model in other processes of this box.
        """
        oldest = self._clock() - self.seconds
        parts = [part for slices in (self.slices(), *others) for part in slices]
        parts = [part for part in parts if part[0] >= oldest]
        total = sum(requests for _, requests, _ in parts)
        if not total:
            return 0, {}
        merged = {stage: [0] * _BUCKETS for stage in STAGES}
        for _, _, by_stage in parts:
            for stage, counts in by_stage.items():
                for bucket, count in counts.items():
                    merged[stage][int(bucket)] += count
        return total, {stage: _percentiles(counts, total) for stage, counts in merged.items()}

    def slices(self) -> Slices:
        """Return what is counted, for another process to add."""
        with self._lock:
            self._drop_old(self._clock())
            return [
                (
                    part.started,
                    part.requests,
                    {
                        stage: {str(bucket): count for bucket, count in counts.items()}
                        for stage, counts in part.counts.items()
                    },
                )
                for part in self._slices
            ]

    def _current_slice(self) -> _Slice:
        now = self._clock()
        if not self._slices or now - self._slices[-1].started >= self._slice_seconds:
            self._drop_old(now)
            self._slices.append(_Slice(now))
        return self._slices[-1]

    def _drop_old(self, now: float) -> None:
        while self._slices and now - self._slices[0].started > self.seconds:
            self._slices.popleft()


def _bucket(milliseconds: float) -> int:
    if milliseconds <= _SMALLEST_MS:
        return 0
    return min(int(math.log(milliseconds / _SMALLEST_MS) / _LOG_RATIO) + 1, _BUCKETS - 1)


def _percentiles(counts: list[int], total: int) -> Percentiles:
    result: Percentiles = {}
    wanted = iter((("p50", 0.50), ("p90", 0.90), ("p99", 0.99)))
    name, share = next(wanted)
    seen = 0
    for bucket, count in enumerate(counts):
        seen += count
        while seen >= math.ceil(share * total):
            result[name] = _middle(bucket)
            following = next(wanted, None)
            if following is None:
                return result
            name, share = following
    return result


def _middle(bucket: int) -> float:
    """Return the geometric middle of a bucket, ms."""
    if bucket == 0:
        return 0.0
    return round(_SMALLEST_MS * math.exp((bucket - 0.5) * _LOG_RATIO), 3)
