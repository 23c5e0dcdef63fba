"""The server under load beside its in-process ceiling, in interleaved rounds.

Closed loop: for each model and number of clients, requests a second, p50 and p99, and the ratio
to the ceiling of the same round (as many processes as CPUs, no server). With --open, also an open
loop at multiples of the capacity just measured: what is answered in time, what is refused.
"""

import statistics
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.closed_loop import closed_loop
from benchmarks.engine import classifier, shipped_in
from benchmarks.in_process import InProcess, bare_work
from benchmarks.machine import describe_machine, headline
from benchmarks.open_loop import open_loop
from benchmarks.options import make_parser, names, numbers
from benchmarks.photos import make_photos
from benchmarks.results import print_table, save_rows, say
from benchmarks.server import running_server
from benchmarks.summary import Row, median_rows
from benchmarks.traffic import LoadResult, Traffic
from service.engine.host import worker_threads


def main() -> None:
    """Measure and print."""
    parser = make_parser(__doc__)
    parser.add_argument("--models", type=names, help="default: the shipped ones")
    parser.add_argument("--clients", type=numbers, default=[1, 4], help="default 1,4")
    parser.add_argument(
        "--open", type=lambda text: [float(item) for item in text.split(",")], default=[],
        metavar="FACTORS", help="open loop at these multiples of the capacity, e.g. 0.5,0.9,2",
    )  # fmt: skip
    options = parser.parse_args()
    models: list[str] = options.models or shipped_in(options.repository)
    photos = make_photos()
    machine = describe_machine()
    say(headline(machine))
    closed: list[Row] = []
    opened: list[Row] = []
    with running_server(
        options.repository, default_model=models[0], models=",".join(models)
    ) as server:
        for number in range(options.rounds):
            for name in models:
                rows = closed_round(
                    options.repository, name, server.port, photos, options.clients, options.seconds
                )
                closed += [{"model": name, "round": number, **row} for row in rows]
                capacity = max(row["per_s"] for row in rows)
                for factor in options.open:
                    row = open_row(server.port, name, photos, factor * capacity, options.seconds)
                    opened.append({"model": name, "round": number, "factor": factor, **row})
    say("closed loop, medians over the rounds; ratio and p50_ratio are to the bare work in process")
    print_table(median_rows(closed, "model", "clients"))
    if opened:
        say("open loop, medians; p50 and p99 of the requests that were answered")
        print_table(median_rows(opened, "model", "factor"))
    save_rows(closed, "load", machine, options.save)
    save_rows(opened, "overload", machine, options.save if options.save == "" else None)


def closed_round(
    repository: Path,
    name: str,
    port: int,
    photos: list[bytes],
    clients: Sequence[int],
    seconds: float,
) -> list[dict[str, float]]:
    """Return one round of one model: a row for each number of clients.

    The box's speed drifts within seconds, so each load has both kinds of bare work, one process
    and one for each CPU, half of it before and half of it after.
    """
    make = partial(classifier, repository, name)
    traffic = Traffic(tuple(photos), (f"/classify?model={name}",))
    closed_loop(port, traffic, max(clients), 1.0)
    cpus = worker_threads()
    rows = []
    with bare_work(make, photos) as alone, bare_work(make, photos, processes=cpus) as together:
        for count in sorted(clients):
            before = alone(seconds / 2), together(seconds / 2)
            load = closed_loop(port, traffic, count, seconds).require_clean()
            after = together(seconds / 2), alone(seconds / 2)
            rows.append(_row(count, load, (before[0], after[1]), (before[1], after[0])))
    return rows


def _row(
    clients: int, load: LoadResult, alone: Sequence[InProcess], together: Sequence[InProcess]
) -> dict[str, float]:
    ceiling_per_s = statistics.fmean(each.per_s for each in together)
    alone_p50_ms = statistics.fmean(each.p50_ms for each in alone)
    return {
        "clients": clients,
        "per_s": load.per_s,
        "ceiling_per_s": ceiling_per_s,
        "ratio": load.per_s / ceiling_per_s,
        "p50_ms": load.p50_ms,
        "p99_ms": load.p99_ms,
        "p99_over_p50": load.p99_ms / load.p50_ms,
        "in_process_p50_ms": alone_p50_ms,
        "p50_ratio": load.p50_ms / alone_p50_ms,
    }


def open_row(
    port: int, name: str, photos: list[bytes], per_s: float, seconds: float
) -> dict[str, float]:
    """Return what came of `per_s` requests a second for `seconds`."""
    traffic = Traffic(tuple(photos), (f"/classify?model={name}",))
    result = open_loop(port, traffic, per_s, seconds)
    return {
        "offered_per_s": per_s,
        "goodput_per_s": result.per_s,
        "refused": result.refused,
        "failed": result.failed,
        "p50_ms": result.p50_ms,
        "p99_ms": result.p99_ms,
    }


if __name__ == "__main__":
    main()
