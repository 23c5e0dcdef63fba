"""The metrics of several processes as those of one."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

# name, type, help and samples: name, labels, value
Sample = tuple[str, dict[str, str], float]
Families = list[tuple[str, str, str, list[Sample]]]

# Gauges that are not the sum of what the processes have; a model is ready where all say so.
_OF_GAUGE: dict[str, Callable[[float, float], float]] = {
    "featherbox_model_ready": min,
    "featherbox_model_info": max,
    "featherbox_model_refused_versions": max,
    "featherbox_model_load_seconds": max,
    "featherbox_model_file_bytes": max,
    "process_start_time_seconds": min,
    "process_max_fds": max,
}


def families_of(registry: CollectorRegistry) -> Families:
    """Return what a registry has now."""
    return [
        (
            family.name, family.type, family.documentation,
            [(sample.name, dict(sample.labels), sample.value) for sample in family.samples],
        )
        for family in registry.collect()
    ]  # fmt: skip


def merged_counters(several: Iterable[Families]) -> Families:
    """Return the sums of the counters and histograms; gauges are left out."""
    counters = ([family for family in families if family[1] != "gauge"] for families in several)
    return [
        (metric.name, metric.type, metric.documentation,
         [(sample.name, dict(sample.labels), sample.value) for sample in metric.samples])
        for metric in _merged(counters)
    ]  # fmt: skip


def exposition(several: Iterable[Families]) -> bytes:
    """Return the text exposition format of all together."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Fixed(list(_merged(several))))
    return generate_latest(registry)


class _Fixed(Collector):
    """Gives metrics that were read before."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        """Return them."""
        return self._metrics


def _merged(several: Iterable[Families]) -> Iterator[Metric]:
    texts: dict[str, tuple[str, str]] = {}
    values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    for families in several:
        for name, kind, text, samples in families:
            texts[name] = kind, text
            merge = _OF_GAUGE.get(name) if kind == "gauge" else None
            of_family = values.setdefault(name, {})
            for sample, labels, value in samples:
                key = sample, tuple(labels.items())
                combine = min if sample.endswith("_created") else merge
                if key not in of_family:
                    of_family[key] = value
                else:
                    both = of_family[key], value
                    of_family[key] = combine(*both) if combine else sum(both)
    for name, (kind, text) in texts.items():
        metric = Metric(name, text, kind)
        for (sample, labels_of), value in values[name].items():
            metric.add_sample(sample, dict(labels_of), value)
        yield metric
