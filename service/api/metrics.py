"""Prometheus metrics, prefix `featherbox_`, base units, labels bounded by what we configured."""

from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from service.engine.pipeline import STAGES, StageTimes
from service.engine.repository import ModelState, ServedModel
from service.engine.workers import WorkerPool

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# A small net answers in 2 ms: the usual buckets begin at 5 and would be blind.
_BUCKETS_S = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004, 0.006, 0.008,
    0.012, 0.016, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
)  # fmt: skip


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
        self._stages = Histogram(
            "featherbox_stage_duration_seconds",
            "Time of one image in each stage.",
            ("model", "stage"),
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self._by_model: dict[str, list[tuple[str, Histogram]]] = {}

    def count_request(
        self, route: str, model: str | None, status: int, error_code: str | None
    ) -> None:
        """Count one answered request; `model` is a name from the repository or None."""
        self._requests.labels(route, model or "", str(status)).inc()
        if error_code:
            self._errors.labels(error_code).inc()

    def observe_stages(self, model: str, times: StageTimes) -> None:
        """Record the stage times of one classified image."""
        stages = self._by_model.get(model)
        if stages is None:
            stages = [(stage, self._stages.labels(model, stage)) for stage in STAGES]
            self._by_model[model] = stages
        for stage, histogram in stages:
            histogram.observe(getattr(times, stage) / 1e3)

    def watch_pool(self, pool: WorkerPool) -> None:
        """Show the pool's load whenever the metrics are read."""
        for name, text, read in (
            ("featherbox_in_flight_images", "Images admitted, running and waiting.",
             lambda: pool.in_flight),
            ("featherbox_queue_waiting_images", "Images admitted that wait for a thread.",
             lambda: pool.waiting),
            ("featherbox_queue_capacity_images", "Images that can be admitted at once.",
             lambda: pool.capacity),
            ("featherbox_worker_threads", "Threads that decode and infer.",
             lambda: pool.threads),
        ):  # fmt: skip
            Gauge(name, text, registry=self._registry).set_function(read)

    def show_models(self, models: Iterable[ServedModel], onnxruntime: str) -> None:
        """Show the facts of the models once they are loaded."""
        info = self._gauge(
            "info", "Facts of a model; always 1.",
            "version", "architecture", "precision", "provider", "onnxruntime",
        )  # fmt: skip
        ready = self._gauge("ready", "1 if the model serves, else 0.")
        load = self._gauge("load_seconds", "Time to load, check and warm up the model.")
        size = self._gauge("file_bytes", "Size of model.onnx.")
        memory = self._gauge("memory_bytes", "Growth of the resident set while it was loaded.")
        for model in models:
            ready.labels(model.name).set(model.state is ModelState.READY)
            if model.loaded is None:
                continue
            manifest = model.loaded.manifest
            provider = model.loaded.session.providers[0]
            info.labels(
                model.name, str(model.version), manifest.architecture, manifest.precision,
                provider, onnxruntime,
            ).set(1)  # fmt: skip
            load.labels(model.name).set((model.load_ms or 0.0) / 1e3)
            size.labels(model.name).set(manifest.file_bytes)
            memory.labels(model.name).set(model.memory_bytes or 0)

    def render(self) -> bytes:
        """Return the text exposition format."""
        return generate_latest(self._registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"featherbox_model_{name}", text, ("model", *labels), registry=self._registry)
