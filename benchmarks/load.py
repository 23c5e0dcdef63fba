"""The server beside its in-process ceiling, in interleaved rounds: `make bench`.

The ceiling is the same work (decode, preprocess, infer) in as many processes as there are CPUs,
with no server at all. Prints medians over the rounds and writes one CSV line a round.
"""

import argparse
import csv
import multiprocessing
import statistics
import sys
import time
from pathlib import Path

from benchmarks.client import post_for
from benchmarks.photos import make_photos
from benchmarks.server import running_server
from service.engine.artifact import load_artifact
from service.engine.decode import DecodeLimits
from service.engine.host import describe_host, worker_threads
from service.engine.session import SessionOptions

Row = dict[str, str | float]


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_KeepLines)
    parser.add_argument("--models", default="squeezenet1_1-int8,squeezenet1_1")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--csv", type=Path, default=Path("build/load.csv"))
    options = parser.parse_args()
    photos = make_photos()
    names = options.models.split(",")
    with running_server() as port:
        for name in names:  # the first requests of a process are slower
            post_for(port, f"/classify?model={name}", photos, 2, 1.0)
        rows = [
            _round(name, number, port, photos, options.seconds)
            for number in range(options.rounds)
            for name in names
        ]
    _write(options.csv, rows)
    _print(rows, names, len(photos))


class _KeepLines(argparse.RawDescriptionHelpFormatter):
    """Keep the docstring's lines."""


def _round(name: str, number: int, port: int, photos: list[bytes], seconds: float) -> Row:
    path = f"/classify?model={name}"
    ceiling = _ceiling(name, photos, seconds)
    alone = _in_process_latencies(name, photos, seconds)
    one = post_for(port, path, photos, 1, seconds)
    four = post_for(port, path, photos, 4, seconds)
    rate = len(four) / seconds
    return {
        "model": name,
        "round": number,
        "ceiling_per_s": round(ceiling, 1),
        "server_per_s": round(rate, 1),
        "ratio": round(rate / ceiling, 3),
        "in_process_p50_ms": round(statistics.median(alone), 2),
        "one_client_p50_ms": round(statistics.median(one), 2),
        "latency_ratio": round(statistics.median(one) / statistics.median(alone), 3),
        "four_clients_p50_ms": round(statistics.median(four), 2),
        "four_clients_p99_ms": round(statistics.quantiles(four, n=100)[98], 2),
    }


def _ceiling(name: str, photos: list[bytes], seconds: float) -> float:
    """Return images a second of the bare work in one process for each CPU."""
    context = multiprocessing.get_context("spawn")
    processes = worker_threads(describe_host().cpus)
    barrier = context.Barrier(processes)
    with context.Pool(processes, _keep_barrier, (barrier,)) as pool:
        jobs = [pool.apply_async(_count, (name, photos, seconds)) for _ in range(processes)]
        return sum(job.get() for job in jobs) / seconds


def _keep_barrier(barrier: "multiprocessing.synchronize.Barrier") -> None:
    globals()["_barrier"] = barrier


def _count(name: str, photos: list[bytes], seconds: float) -> int:
    latencies = _in_process_latencies(name, photos, seconds, globals()["_barrier"])
    return len(latencies)


def _in_process_latencies(
    name: str,
    photos: list[bytes],
    seconds: float,
    barrier: "multiprocessing.synchronize.Barrier | None" = None,
) -> list[float]:
    """Classify the photos in turn on this thread; return the time of each, ms."""
    versions = Path("model_repository") / name
    model = load_artifact(max(versions.glob("[0-9]*")), SessionOptions())
    limits = DecodeLimits()
    model.classify(photos[0], 5, limits)
    if barrier:
        barrier.wait()
    latencies: list[float] = []
    end = time.perf_counter() + seconds
    while (started := time.perf_counter()) < end:
        model.classify(photos[len(latencies) % len(photos)], 5, limits)
        latencies.append((time.perf_counter() - started) * 1e3)
    return latencies


def _write(path: Path, rows: list[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def _print(rows: list[Row], names: list[str], photos: int) -> None:
    host = describe_host()
    out = sys.stdout
    out.write(
        f"{host.cpu}, {host.cpus:g} CPUs, ONNX Runtime {host.onnxruntime}, "
        f"{photos} photos of 640x480, client on the same box; medians of the rounds\n"
    )
    columns = [key for key in rows[0] if key not in {"model", "round"}]
    out.write(f"{'model':24}" + "".join(f"{column:>22}" for column in columns) + "\n")
    for name in names:
        own = [row for row in rows if row["model"] == name]
        medians = [statistics.median(float(row[column]) for row in own) for column in columns]
        out.write(f"{name:24}" + "".join(f"{value:22.3f}" for value in medians) + "\n")


if __name__ == "__main__":
    main()
