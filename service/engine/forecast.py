"""How long a model's next image will take, from those before it.

For a promise the slow ones count, not the median: the forecast is the 95th percentile of the last
images, or of the benchmark, scaled by how much slower than their benchmarks the models in use are
now, while there are none. To that comes the way of the answer out of the process.
"""

import math
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from itertools import islice

from service.engine.benchmark import Benchmark
from service.engine.pipeline import StageTimes

_SHARE = 0.95
_KEPT = 128
_FEWEST = 16
_STALE_S = 5.0
_REFRESH_EVERY = 16


class Recent:
    """The last values of a figure and their 95th percentile, refreshed now and then."""

    __slots__ = ("_clock", "_last", "_p95", "_seen", "_times", "_values")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: deque[float] = deque(maxlen=_KEPT)
        self._values: deque[float] = deque(maxlen=_KEPT)
        self._last = -math.inf
        self._seen = 0
        self._p95: float | None = None

    def add(self, value: float) -> None:
        """Take in one value."""
        self._last = self._clock()
        self._times.append(self._last)
        self._values.append(value)
        self._seen += 1
        if self._seen % _REFRESH_EVERY == 0:
            self._refresh()

    def p95(self) -> float | None:
        """Return the percentile, or None where too few values are recent."""
        return None if self._clock() - self._last > _STALE_S else self._p95

    def _refresh(self) -> None:
        oldest = self._clock() - _STALE_S
        values = sorted(islice(self._values, bisect_left(self._times, oldest), None))
        few = len(values) < _FEWEST
        self._p95 = None if few else values[math.ceil(_SHARE * len(values)) - 1]


class Forecast:
    """What the images of each model take on this box, now; one thread writes, any may read."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._around = Recent(clock)
        self._way_out = Recent(clock)
        self._inference: dict[str, Recent] = {}
        self._expected: dict[str, Benchmark] = {}

    def expect(self, model: str, benchmark: Benchmark) -> None:
        """Take in what a model takes with the box to itself."""
        self._expected[model] = benchmark

    def observe(self, model: str, times: StageTimes, way_out_ms: float = 0.0) -> None:
        """Take in an image that was answered, and how long its answer then took to be sent."""
        self._way_out.add(way_out_ms)
        self._around.add(times.decode + times.preprocess + times.postprocess)
        recent = self._inference.get(model)
        if recent is None:
            recent = self._inference[model] = Recent(self._clock)
        recent.add(times.inference)

    def work_ms(self, model: str, otherwise_ms: float) -> float:
        """Return the time that an image of `model` will take, waiting apart.

        Args:
            model: its name.
            otherwise_ms: its inference where nothing is known of it.
        """
        around_ms = (self._around.p95() or 0.0) + self.way_out_ms()
        return around_ms + self._inference_ms(model, otherwise_ms)

    def way_out_ms(self) -> float:
        """Return how long an answer takes from the work to the wire."""
        return self._way_out.p95() or 0.0

    def least_ms(self, model: str, otherwise_ms: float) -> float:
        """Return the inference of `model` with the box to itself, the median."""
        expected = self._expected.get(model)
        return otherwise_ms if expected is None else expected.batch1_ms

    def _inference_ms(self, model: str, otherwise_ms: float) -> float:
        recent = self._inference.get(model)
        measured = recent.p95() if recent else None
        if measured is not None:
            return measured
        expected = self._expected.get(model)
        if expected is None:
            return otherwise_ms * max(1.0, self._slowdown())
        return max(expected.batch1_p95_ms, expected.batch1_ms * self._slowdown())

    def _slowdown(self) -> float:
        """Return how many times the median of its benchmark the 95th percentile is now.

        That of a benchmark says less than its median: it is of few runs.
        """
        ratios = [
            measured / self._expected[name].batch1_ms
            for name, recent in self._inference.items()
            if name in self._expected and (measured := recent.p95()) is not None
        ]
        return max(ratios, default=0.0)
