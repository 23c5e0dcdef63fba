"""One process beside several (`workers`), in turn: rate, CPU time, latency, memory by clients."""

from benchmarks.closed_loop import closed_loop
from benchmarks.engine import shipped_in
from benchmarks.machine import describe_machine, headline
from benchmarks.options import make_parser, numbers
from benchmarks.photos import make_photos
from benchmarks.results import print_table, save_rows, say
from benchmarks.server import running_server
from benchmarks.summary import Row, median_rows
from benchmarks.traffic import Traffic

_CLIENTS = (1, 4, 16)
_WORKERS = (1, 2)


def main() -> None:
    """Measure and print."""
    parser = make_parser(__doc__)
    parser.add_argument("--workers", type=numbers, default=list(_WORKERS), help="default 1,2")
    options = parser.parse_args()
    machine = describe_machine()
    say(headline(machine))
    name = shipped_in(options.repository)[0]
    traffic = Traffic(tuple(make_photos()))
    rows: list[Row] = []
    for number in range(options.rounds):
        for workers in options.workers:
            with running_server(
                options.repository, default_model=name, models=name, workers=str(workers)
            ) as server:
                for clients in _CLIENTS:
                    cpu_ms = server.cpu_ms()
                    result = closed_loop(server.port, traffic, clients, options.seconds)
                    result.require_clean()
                    rows.append(
                        {
                            "round": number,
                            "workers": workers,
                            "clients": clients,
                            "per_s": result.per_s,
                            "cpu_ms": (server.cpu_ms() - cpu_ms) / result.answered,
                            "p50_ms": result.p50_ms,
                            "p99_ms": result.p99_ms,
                            "pss_mb": server.pss_mb(),
                        }
                    )
    print_table(median_rows(rows, "workers", "clients"))
    save_rows(rows, "workers", machine, options.save)


if __name__ == "__main__":
    main()
