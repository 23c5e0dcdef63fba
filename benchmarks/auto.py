"""`model=auto` under a ramp of load, beside each model on its own.

Open loop at a few multiples of the capacity of the fastest model: below it, at it, far above.
With `auto`, which model answered how often, the share of the answers within the promise, and the
mean accuracy of the models that gave them; then the same load on each model alone. Latency counts
from the time at which a request was due. The server has the first CPU and the generator the
second, so that neither takes the other's time. It measures its models first, as it would on its
own while idle.
"""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.closed_loop import closed_loop
from benchmarks.engine import shipped_in
from benchmarks.machine import describe_machine, headline
from benchmarks.options import make_parser, names
from benchmarks.photos import make_photos
from benchmarks.reliability.flood import Flood, flood
from benchmarks.reliability.serving import on_cpu
from benchmarks.results import print_table, save_rows, say
from benchmarks.server import RunningServer, request, running_server
from benchmarks.summary import Row, median_rows, percentile
from benchmarks.traffic import Traffic

_CLIENTS = 8
_MEASURED_WITHIN_S = 120.0
_CHOSEN = re.compile(r'featherbox_auto_images_total\{model="([^"]+)",reason="[^"]+"\} ([0-9.]+)')


def main() -> None:
    """Measure and print."""
    parser = make_parser(__doc__)
    parser.add_argument("--models", type=names, help="default: the shipped int8 ones")
    parser.add_argument("--promise", type=float, default=40.0, help="max_latency_ms; default 40")
    parser.add_argument(
        "--factors", type=lambda text: [float(item) for item in text.split(",")],
        default=[0.3, 0.6, 0.8, 0.9, 1.0, 1.5, 3.0], help="of the fastest model's capacity",
    )  # fmt: skip
    options = parser.parse_args()
    models = options.models or [m for m in shipped_in(options.repository) if "int8" in m]
    photos = make_photos()
    machine = describe_machine()
    say(headline(machine))
    rows: list[Row] = []
    with measured_server(options.repository, models) as server:
        for number in range(options.rounds):
            capacities = {m: _capacity(server.port, m, photos, options.seconds) for m in models}
            for factor in options.factors:
                per_s = factor * max(capacities.values())
                for name in ("auto", *models):
                    row = ramp_row(server, name, photos, per_s, options.seconds, options.promise)
                    rows.append({"asked": name, "factor": factor, "round": number, **row})
            say(f"capacity, images/s: {capacities}")
    say(f"open loop, medians; promise {options.promise:g} ms; kept: share of the answers within it")
    print_table(median_rows(rows, "asked", "factor"))
    save_rows(rows, "auto", machine, options.save)


@contextmanager
def measured_server(repository: Path, models: list[str]) -> Iterator[RunningServer]:
    """Run a server until the block ends; yield once it has measured its models."""
    with running_server(
        repository,
        cpus=1,
        default_model=models[0],
        models=",".join(models),
        benchmark_when_idle="true",
    ) as server:
        give_up = time.monotonic() + _MEASURED_WITHIN_S
        while not all(_is_measured(model) for model in _models(server.port)):
            if time.monotonic() > give_up:
                raise RuntimeError("the server does not come to measure its models")
            time.sleep(0.5)
        yield server


def ramp_row(
    server: RunningServer,
    name: str,
    photos: list[bytes],
    per_s: float,
    seconds: float,
    promise_ms: float,
) -> Row:
    """Offer `per_s` requests a second to `auto` or to one model; return what came of them."""
    query = f"model={name}" + (f"&max_latency_ms={promise_ms:g}" if name == "auto" else "")
    before = _chosen(server.port)
    requests = Traffic(tuple(photos), (f"/classify?{query}",)).requests()
    run = flood(server.port, [requests], per_s, seconds, cpu=1)
    after = _chosen(server.port)
    accuracies = {str(model["name"]): _accuracy(model) for model in _models(server.port)}
    given = {model: after.get(model, 0.0) - before.get(model, 0.0) for model in accuracies}
    if name != "auto":
        given[name] = float(run.count(200))
    total = sum(given.values())
    latencies = _latencies_ms(run)
    in_time = sum(ms <= promise_ms for ms in latencies)
    return {
        "promise_ms": promise_ms,
        "offered_per_s": per_s,
        "in_time_per_s": in_time / seconds,
        "kept": in_time / len(latencies) if latencies else None,
        "shed": run.count(503) / max(run.sent, 1),
        "failed": run.broken + run.unanswered + run.unsent,
        "p50_ms": percentile(latencies, 0.5) if latencies else None,
        "p99_ms": percentile(latencies, 0.99) if latencies else None,
        "accuracy": sum(accuracies[m] * count for m, count in given.items()) / max(total, 1.0),
        **{f"by {model}": count / max(total, 1.0) for model, count in given.items()},
    }


def _latencies_ms(run: Flood) -> list[float]:
    """Return the times of the 200 answers, each from when its request was due."""
    return [a.late_ms + a.ms for a in run.answers if a.status == 200]


def _accuracy(model: dict[str, Any]) -> float:
    """Return the top-1 accuracy by which the service ranks it, 0 where none is known."""
    return float(model["quality"]["top1"] or 0.0)


def _capacity(port: int, name: str, photos: list[bytes], seconds: float) -> float:
    traffic = Traffic(tuple(photos), (f"/classify?model={name}",))
    with on_cpu(1):
        return closed_loop(port, traffic, _CLIENTS, seconds).require_clean().per_s


def _models(port: int) -> list[dict[str, Any]]:
    document = json.loads(request(port, "GET", "/models")[1])
    found: list[dict[str, Any]] = document["models"]
    return found


def _is_measured(model: dict[str, Any]) -> bool:
    figures = model["benchmark"]
    return isinstance(figures, dict) and figures["images_per_second"] is not None


def _chosen(port: int) -> dict[str, float]:
    """Return how many images `auto` gave to each model since the start."""
    counts: dict[str, float] = {}
    for model, count in _CHOSEN.findall(request(port, "GET", "/metrics")[1].decode()):
        counts[model] = counts.get(model, 0.0) + float(count)
    return counts


if __name__ == "__main__":
    main()
