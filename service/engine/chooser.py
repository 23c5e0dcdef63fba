"""Which model answers a request that leaves it to the service: the best one that keeps its promise.

The choice falls when a worker thread takes the image, not when the request arrives: by then its
waiting is known and only the work ahead is a forecast. So a box with more and more to do steps
down to smaller models image by image, and up again, before it sheds anything.
"""

from collections.abc import Callable
from dataclasses import dataclass

from service.engine.artifact import LoadedModel
from service.engine.benchmarks import Benchmarks
from service.engine.manifest import Manifest
from service.engine.repository import ModelRepository, ModelState, ServedModel
from service.errors import InvalidParameter, Overloaded

# A larger model is taken only if it leaves this share of the time unused; the forecast is a 95th
# percentile, and one image in twenty takes longer.
_SPARE = 0.25
_HEED = 3.0  # how many times a wait counts against a larger model
# What is kept free of a promise after answers that came late: each adds a share of the promise,
# which the next ones that are in time take off again. So it settles where one in 200 is late. A
# request that finds no queue takes off more: when the load has gone there is nothing to fear.
_CAUTION_UP = 0.1
_CAUTION_DOWN = _CAUTION_UP / 199
_MOST_CAUTION = 0.5
_KEPT_WITHOUT_QUEUE = 0.9
_UNMEASURED = 2.0  # times the median of the first few inferences
_ASSUMED_WORK_MS = 5.0


@dataclass(frozen=True, slots=True)
class Promise:
    """What a request asks of whichever model answers it; None asks nothing."""

    max_latency_ms: float
    min_accuracy: float | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that may answer, and what its work would take, ms: likely at most, and at least."""

    served: ServedModel
    loaded: LoadedModel
    accuracy: float | None
    work_ms: float
    least_ms: float


@dataclass(frozen=True, slots=True)
class Choice:
    """The model that answers, why, and when it should have done so after the body's last byte.

    `alternative` is the fastest model where that is another one.
    """

    candidate: Candidate
    reason: str
    expected_ms: float
    alternative: Candidate | None = None


class Chooser:
    """Chooses among the models that know the same labels."""

    def __init__(
        self, repository: ModelRepository, benchmarks: Benchmarks, wait_ms: Callable[[], float]
    ) -> None:
        self._repository = repository
        self._benchmarks = benchmarks
        self._wait_ms = wait_ms
        self._caution = 0.0  # worker threads write it; a lost update does not matter

    def learn(self, promise: Promise, total_ms: float) -> None:
        """Take note of how long an answer took from the body's last byte, and grow cautious if
        that was too long.
        """
        self._learn(total_ms + self._benchmarks.forecast.way_out_ms() > promise.max_latency_ms)

    def _learn(self, late: bool) -> None:
        change = _CAUTION_UP if late else -_CAUTION_DOWN
        self._caution = min(max(0.0, self._caution + change), _MOST_CAUTION)

    def _trusted_ms(self, promise: Promise) -> float:
        return promise.max_latency_ms * (1 - self._caution)

    def candidates(self, default: LoadedModel, promise: Promise) -> list[Candidate]:
        """Return the ready models with the default model's labels, the most accurate first.

        Raises:
            InvalidParameter: none is known to be as accurate as asked for.
        """
        ready = [
            (model, model.loaded)
            for model in self._repository.models
            if model.state is ModelState.READY and model.loaded is not None
        ]
        parents = {model.name: loaded.manifest for model, loaded in ready}
        found = [
            self._candidate(model, loaded, accuracy_of(loaded.manifest, parents))
            for model, loaded in ready
            if loaded.labels == default.labels
        ]
        least = promise.min_accuracy
        if least is not None:
            known = [c.accuracy for c in found if c.accuracy is not None]
            found = [c for c in found if c.accuracy is not None and c.accuracy >= least]
            if not found:
                best = f"the best has {max(known):.3f}" if known else "of none it is known"
                raise InvalidParameter(min_accuracy=f"no model is known to be as accurate; {best}")
        return sorted(found, key=_rank, reverse=True)

    def admit(self, default: LoadedModel, promise: Promise) -> float:
        """Refuse early a request whose promise cannot be kept.

        Returns:
            For how long it may wait for a thread, ms.

        Raises:
            InvalidParameter: not even an idle box could keep it.
            Overloaded: this box cannot keep it now.
        """
        found = self.candidates(default, promise)
        least_ms = min(candidate.least_ms for candidate in found)
        if least_ms > promise.max_latency_ms:
            raise InvalidParameter(
                max_latency_ms=f"must be at least {least_ms:.1f}, what the fastest model takes here"
            )
        if not self._wait_ms():
            self._caution *= _KEPT_WITHOUT_QUEUE
        # A box that has nothing to do tries it: a pessimistic forecast is mended by answers alone.
        longest_ms = max(0.0, self._trusted_ms(promise) - min(c.work_ms for c in found))
        self.check_wait(longest_ms)
        return longest_ms

    def check_wait(self, longest_ms: float, waited_ms: float = 0.0) -> None:
        """Refuse an image that would wait for longer than that; none waits on an idle box.

        Args:
            longest_ms: for how long it may wait.
            waited_ms: for how long it has.

        Raises:
            Overloaded: it would.
        """
        ahead_ms = self._wait_ms()
        if ahead_ms and waited_ms + ahead_ms > longest_ms:
            raise _too_late()

    def choose(self, default: LoadedModel, promise: Promise, waited_ms: float) -> Choice:
        """Return the model for an image that has waited so long.

        Raises:
            InvalidParameter: no model is as accurate as asked for any more.
            Overloaded: no model can keep the promise any more.
        """
        found = self.candidates(default, promise)
        left_ms = promise.max_latency_ms - waited_ms
        # Those behind this image wait as well: a queue is taken seriously before it is long.
        calm_ms = self._trusted_ms(promise) - _HEED * max(waited_ms, self._wait_ms())
        fastest = min(found, key=lambda c: (c.least_ms, c.work_ms))
        for place, candidate in enumerate(found):
            if candidate.work_ms <= (1 - _SPARE) * (left_ms if candidate is fastest else calm_ms):
                reason = "most accurate" if place == 0 else "most accurate in time"
                other = None if candidate is fastest else fastest
                return Choice(candidate, reason, waited_ms + candidate.work_ms, other)
        # If it was not the waiting, but a pessimistic forecast, it is tried all the same.
        if fastest.least_ms > left_ms or left_ms < fastest.work_ms <= promise.max_latency_ms:
            self._learn(late=True)
            raise _too_late()
        return Choice(fastest, "fastest", waited_ms + fastest.work_ms)

    def _candidate(
        self, model: ServedModel, loaded: LoadedModel, accuracy: float | None
    ) -> Candidate:
        forecast = self._benchmarks.forecast
        once = model.warmup_ms or _ASSUMED_WORK_MS
        work_ms = forecast.work_ms(model.name, once * _UNMEASURED)
        return Candidate(model, loaded, accuracy, work_ms, forecast.least_ms(model.name, once))


def accuracy_of(manifest: Manifest, others: dict[str, Manifest]) -> float | None:
    """Return the top-1 accuracy of a model as far as it is known, 0 to 1.

    Measured on labelled photos if it was; else as published for the weights; of a compressed
    model else its parent's, times their agreement, which is what remains at least if they agree
    as often on what the parent has right as on what it has wrong.
    """
    quality = manifest.quality
    if quality.top1 is not None:
        return quality.top1
    if quality.parent is None or quality.agreement is None:
        return quality.published.top1 if quality.published else None
    parent = others.get(quality.parent)
    known = accuracy_of(parent, {}) if parent else None
    if known is None and quality.published:
        known = quality.published.top1
    return None if known is None else known * quality.agreement


def _rank(candidate: Candidate) -> tuple[float, float, int]:
    """Order by accuracy; where it is unknown by agreement with the parent, then by MACs."""
    manifest = candidate.loaded.manifest
    agreement = manifest.quality.agreement
    return (
        -1.0 if candidate.accuracy is None else candidate.accuracy,
        1.0 if agreement is None else agreement,
        manifest.macs or 0,
    )


def _too_late() -> Overloaded:
    return Overloaded("No model can answer in the time asked for now: try again later.")
