"""Prometheus metrics, prefix `featherbox_`, base units, labels bounded by what we configured."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from service.api.held import HeldBodies
from service.api.merge import Families, exposition, families_of
from service.engine.pipeline import STAGES, StageTimes
from service.engine.repository import ModelRepository, ModelState
from service.engine.workers import WorkerPool

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# A small net answers in 2 ms: the usual buckets begin at 5 and would be blind.
_BUCKETS_S = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004, 0.006, 0.008,
    0.012, 0.016, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
)  # fmt: skip

_CODES = ("internal_error", "overloaded", "deadline_exceeded", "not_ready", "model_failed")


class Metrics:
    """The metrics of one app, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "featherbox_requests",
            "HTTP requests answered.",
            ("route", "model", "status"),
            registry=self._registry,
        )
        self._errors = Counter(
            "featherbox_errors",
            "Requests answered with a problem document, by its code.",
            ("code",),
            registry=self._registry,
        )
        for code in _CODES:  # from 0 on, or an alert would miss the first
            self._errors.labels(code)
        self._stages = _Stages()
        self._registry.register(self._stages)
        self._counted: dict[tuple[str, str | None, int], Counter] = {}
        self._choices = Counter(
            "featherbox_auto_images",
            "Images that model=auto gave to a model, by reason.",
            ("model", "reason"),
            registry=self._registry,
        )
        self._shadows = Counter(
            "featherbox_shadow_images",
            "Images compared with a shadow model: agrees, differs, failed, left_out.",
            ("model", "shadow", "outcome"),
            registry=self._registry,
        )

    def count_request(
        self, route: str, model: str | None, status: int, error_code: str | None
    ) -> None:
        """Count one answered request; `model` is a name from the repository or None."""
        key = (route, model, status)
        counter = self._counted.get(key)
        if counter is None:
            counter = self._counted[key] = self._requests.labels(route, model or "", str(status))
        counter.inc()
        if error_code:
            self._errors.labels(error_code).inc()

    def observe_stages(self, model: str, times: StageTimes) -> None:
        """Record the stage times of one classified image."""
        self._stages.observe(model, times)

    def count_choice(self, model: str, reason: str) -> None:
        """Count one image that `auto` gave to a model."""
        self._choices.labels(model, reason).inc()

    def count_shadow(self, model: str, shadow: str, outcome: str) -> None:
        """Count one image of `model` that a shadow model looked at, or left out."""
        self._shadows.labels(model, shadow, outcome).inc()

    def stage_totals(self, model: str) -> dict[str, tuple[int, float]]:
        """Return how many images passed each stage of a model, and the seconds of all of them."""
        return self._stages.totals(model)

    def watch_pool(self, pool: WorkerPool) -> None:
        """Show the pool's load whenever the metrics are read."""
        for name, text, read in (
            ("featherbox_in_flight_images", "Images admitted, running and waiting.",
             lambda: pool.in_flight),
            ("featherbox_queue_waiting_images", "Images admitted that wait for a thread.",
             lambda: pool.waiting),
            ("featherbox_queue_capacity_images", "Images of one model that fit at once.",
             lambda: pool.capacity),
            ("featherbox_worker_threads", "Threads that decode and infer.",
             lambda: pool.threads),
        ):  # fmt: skip
            Gauge(name, text, registry=self._registry).set_function(read)

    def watch_bodies(self, bodies: HeldBodies) -> None:
        """Show how much the bodies of requests hold whenever the metrics are read."""
        Gauge(
            "featherbox_held_body_bytes",
            "Bytes of request bodies in memory.",
            registry=self._registry,
        ).set_function(lambda: bodies.held_bytes)

    def watch_models(self, repository: ModelRepository, onnxruntime: str) -> None:
        """Show the facts of the models as they are whenever the metrics are read."""
        self._registry.register(_Models(repository, onnxruntime))

    def families(self) -> Families:
        """Return all values, for another process to add."""
        return families_of(self._registry)

    def render(self, others: Iterable[Families] = ()) -> bytes:
        """Return the text exposition format, of this process and `others` together."""
        several = list(others)
        if several:
            return exposition([self.families(), *several])
        return generate_latest(self._registry)


class _Stages(Collector):
    """Histograms of the stages, by model; used from the event loop's thread only.

    The library's own histogram takes a lock twice and goes through its buckets one by one for
    each value, which for six stages is a noticeable part of what a request costs.
    """

    def __init__(self) -> None:
        self._models: dict[str, list[tuple[str, list[int], list[float]]]] = {}

    def observe(self, model: str, times: StageTimes) -> None:
        """Take in the stage times of one image."""
        stages = self._models.get(model)
        if stages is None:
            stages = [(stage, [0] * (len(_BUCKETS_S) + 1), [0.0]) for stage in STAGES]
            self._models[model] = stages
        for stage, counts, seconds in stages:
            spent = getattr(times, stage) / 1e3
            counts[bisect_left(_BUCKETS_S, spent)] += 1
            seconds[0] += spent

    def totals(self, model: str) -> dict[str, tuple[int, float]]:
        """Return count and seconds of each stage."""
        found = dict.fromkeys(STAGES, (0, 0.0))
        for stage, counts, seconds in self._models.get(model, []):
            found[stage] = sum(counts), seconds[0]
        return found

    def collect(self) -> Iterator[Metric]:
        """Yield the histograms."""
        family = HistogramMetricFamily(
            "featherbox_stage_duration_seconds",
            "Time of one image in each stage.",
            labels=("model", "stage"),
        )
        for model, stages in self._models.items():
            for stage, counts, seconds in stages:
                upto = zip((*_BUCKETS_S, "+Inf"), accumulate(counts), strict=True)
                buckets = [(str(bound), float(count)) for bound, count in upto]
                family.add_metric([model, stage], buckets, seconds[0])
        yield family


class _Models(Collector):
    """The facts of the models that serve now."""

    def __init__(self, repository: ModelRepository, onnxruntime: str) -> None:
        self._repository = repository
        self._onnxruntime = onnxruntime

    def collect(self) -> Iterator[Metric]:
        """Yield one gauge for each kind of fact."""
        info = _gauge(
            "info", "Facts of a model; always 1.",
            "version", "architecture", "precision", "provider", "onnxruntime",
        )  # fmt: skip
        ready = _gauge("ready", "1 if the model serves, else 0.")
        refused = _gauge("refused_versions", "Versions in the repository that failed a check.")
        load = _gauge("load_seconds", "Time to load, check and warm up the model.")
        size = _gauge("file_bytes", "Size of model.onnx or model.fbz.")
        memory = _gauge("memory_bytes", "Growth of the resident set while it was loaded.")
        for model in self._repository.models:
            ready.add_metric([model.name], model.state is ModelState.READY)
            refused.add_metric([model.name], len(model.refused))
            if model.loaded is None:
                continue
            manifest = model.loaded.manifest
            info.add_metric(
                [model.name, str(model.version), manifest.architecture, manifest.precision,
                 model.loaded.session.providers[0], self._onnxruntime], 1,
            )  # fmt: skip
            load.add_metric([model.name], (model.load_ms or 0.0) / 1e3)
            size.add_metric([model.name], manifest.file_bytes)
            memory.add_metric([model.name], model.memory_bytes or 0)
        yield from (info, ready, refused, load, size, memory)


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"featherbox_model_{name}", text, labels=("model", *labels))
