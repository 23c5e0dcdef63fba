"""How fast one loaded model is on this box: inference alone, on a fixed picture, no HTTP.

Every figure is a median of runs that fit a bound of time, so that measuring a slow model takes
no longer than measuring a fast one. Between two runs it asks whether it may go on, which lets a
measurement in the background give way to requests.
"""

import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from service.engine.artifact import LoadedModel
from service.engine.session import Session

_BATCH = 8
_WARM_UP_RUNS = 3
_FEWEST_RUNS = 10
_MOST_RUNS = 200
_SHARE_P95 = 0.95
_MOST_TRIES = 20


# Asks whether the box is free; returns, once it is, whether that had to be waited for.
Turn = Callable[[], bool]


class Interrupted(Exception):
    """A measurement was told to give up; it has no result."""


def at_once() -> bool:
    """Wait for nobody."""
    return False


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Medians of one model on one box. Times are milliseconds for a whole call of the session.

    `batch1_all_threads_ms` is null where the model has no session for lone images.
    """

    batch1_ms: float
    batch1_p95_ms: float
    batch8_ms: float
    batch1_all_threads_ms: float | None
    images_per_second: float
    threads: int

    def to_dict(self) -> dict[str, float | int | None]:
        """Return the figures by name, for a file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, figures: dict[str, float | int | None]) -> Self:
        """Make the figures of `to_dict`.

        Raises:
            TypeError: they are others.
        """
        return cls(**figures)  # type: ignore[arg-type]


def measure(
    model: LoadedModel,
    threads: int,
    seconds: float = 0.5,
    wait_for_turn: Turn = at_once,
) -> Benchmark:
    """Measure a model.

    Args:
        model: a loaded model.
        threads: sessions runs at a time for `images_per_second`, as the workers would.
        seconds: bound for each of the four figures; ten runs are made in any case.
        wait_for_turn: called before each run; blocks while others need the box.

    Raises:
        ModelFailed: the model fails.
        Interrupted: by `wait_for_turn`, or since the box is never free for long enough.
    """
    one, eight = _pictures(model, 1), _pictures(model, _BATCH)
    alone = _time(model.session, one, seconds, wait_for_turn)
    batch = _time(model.session, eight, seconds, wait_for_turn)
    wide = model.lone_session
    spread = statistics.median(_time(wide, one, seconds, wait_for_turn)) if wide else None
    rate = _rate(model.session, one, threads, seconds, wait_for_turn)
    return Benchmark(
        batch1_ms=round(statistics.median(alone), 3),
        batch1_p95_ms=round(sorted(alone)[int(_SHARE_P95 * (len(alone) - 1))], 3),
        batch8_ms=round(statistics.median(batch), 3),
        batch1_all_threads_ms=None if spread is None else round(spread, 3),
        images_per_second=round(rate, 1),
        threads=threads,
    )


def _pictures(model: LoadedModel, count: int) -> NDArray[np.uint8]:
    """Return noise, uint8 [count, 3, height, width]; constant input would flatter sparse nets."""
    policy = model.manifest.input
    shape = (count, 3, policy.height, policy.width)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def _time(
    session: Session, images: NDArray[np.uint8], seconds: float, wait_for_turn: Turn
) -> list[float]:
    """Return the times of some runs, ms."""
    for _ in range(_WARM_UP_RUNS):
        wait_for_turn()
        session.run(images)
    spent: list[float] = []
    total = 0.0
    while len(spent) < _FEWEST_RUNS or (total < seconds * 1e3 and len(spent) < _MOST_RUNS):
        wait_for_turn()
        started = time.perf_counter()
        session.run(images)
        spent.append((time.perf_counter() - started) * 1e3)
        total += spent[-1]
    return spent


def _rate(
    session: Session,
    images: NDArray[np.uint8],
    threads: int,
    seconds: float,
    wait_for_turn: Turn,
) -> float:
    """Return the inferences in a second of several threads at once."""
    for _ in range(_MOST_TRIES):
        wait_for_turn()
        crowd = _Crowd(session, images, threads, wait_for_turn)
        rate = crowd.run(seconds)
        if not crowd.disturbed:
            return rate
    raise Interrupted


class _Crowd:
    """Threads that run one session as often as they can."""

    def __init__(
        self, session: Session, images: NDArray[np.uint8], threads: int, wait_for_turn: Turn
    ) -> None:
        self.disturbed = False
        self._session = session
        self._images = images
        self._wait_for_turn = wait_for_turn
        self._done = [0] * threads
        self._errors: list[BaseException] = []
        self._finish = threading.Event()

    def run(self, seconds: float) -> float:
        """Run for a while; return the runs in a second, or raise what one of them raised."""
        workers = [
            threading.Thread(target=self._work, args=(number,), daemon=True)
            for number in range(len(self._done))
        ]
        began = time.perf_counter()
        for worker in workers:
            worker.start()
        self._finish.wait(seconds)
        self._finish.set()
        for worker in workers:
            worker.join()
        if self._errors:
            raise self._errors[0]
        return sum(self._done) / (time.perf_counter() - began)

    def _work(self, number: int) -> None:
        try:
            while not self._finish.is_set() or not self._done[number]:
                if self._wait_for_turn():
                    self.disturbed = True
                    self._finish.set()
                    return
                self._session.run(self._images)
                self._done[number] += 1
        except BaseException as error:
            self._errors.append(error)
            self._finish.set()
