"""`model=auto` under a ramp of load, beside each model on its own.

Open loop at a few multiples of the capacity of the fastest model: below it, at it, far above.
With `auto`, which model answered how often, the latency beside the promise, and what was answered
in time; then the same load on each model alone. The server measures its models first, as it would
on its own while idle.
"""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.closed_loop import closed_loop
from benchmarks.engine import shipped_in
from benchmarks.machine import describe_machine, headline
from benchmarks.open_loop import open_loop
from benchmarks.options import make_parser, names
from benchmarks.photos import make_photos
from benchmarks.results import print_table, save_rows, say
from benchmarks.server import RunningServer, request, running_server
from benchmarks.summary import Row, median_rows
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
        default=[0.3, 0.6, 0.9, 1.0, 3.0], help="of the fastest model's capacity",
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
    say(f"open loop, medians; promise {options.promise:g} ms; answered: requests/s with status 200")
    print_table(median_rows(rows, "asked", "factor"))
    save_rows(rows, "auto", machine, options.save)


@contextmanager
def measured_server(repository: Path, models: list[str]) -> Iterator[RunningServer]:
    """Run a server until the block ends; yield once it has measured its models."""
    with running_server(
        repository, default_model=models[0], models=",".join(models), benchmark_when_idle="true"
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
    traffic = Traffic(tuple(photos), (f"/classify?{query}",))
    result = open_loop(server.port, traffic, per_s, seconds)
    after = _chosen(server.port)
    given = {model: after[model] - before.get(model, 0.0) for model in after}
    total = sum(given.values())
    return {
        "offered_per_s": per_s,
        "answered_per_s": result.per_s,
        "shed": result.refused / (per_s * seconds),
        "failed": result.failed,
        "p50_ms": result.p50_ms,
        "p99_ms": result.p99_ms,
        "p99_in_time": float(result.p99_ms <= promise_ms),
        **{f"by {model}": count / total for model, count in given.items() if total},
    }


def _capacity(port: int, name: str, photos: list[bytes], seconds: float) -> float:
    traffic = Traffic(tuple(photos), (f"/classify?model={name}",))
    return closed_loop(port, traffic, _CLIENTS, seconds).require_clean().per_s


def _models(port: int) -> list[dict[str, object]]:
    document = json.loads(request(port, "GET", "/models")[1])
    found: list[dict[str, object]] = document["models"]
    return found


def _is_measured(model: dict[str, object]) -> bool:
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
