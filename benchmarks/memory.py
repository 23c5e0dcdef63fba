"""Memory of the server: PSS after load and after 1,000 requests, one model and all that ship.

PSS (proportional set size, /proc/PID/smaps_rollup) counts shared pages by their share and is
summed over the server's processes. After load means that /readyz has said 200.
"""

from pathlib import Path

from benchmarks.closed_loop import closed_loop
from benchmarks.engine import shipped_in
from benchmarks.machine import describe_machine, headline
from benchmarks.options import make_parser
from benchmarks.photos import make_photos
from benchmarks.results import print_table, save_rows, say
from benchmarks.server import running_server
from benchmarks.summary import Row, median_rows
from benchmarks.traffic import Traffic

_REQUESTS = 1000
_CLIENTS = 4
_MOST_RUNS = 120


def main() -> None:
    """Measure and print."""
    options = make_parser(__doc__).parse_args()
    shipped = shipped_in(options.repository)
    photos = make_photos()
    machine = describe_machine()
    say(headline(machine))
    rows: list[Row] = []
    for number in range(options.rounds):
        for models in ([shipped[0]], shipped):
            row = measure(options.repository, models, photos)
            rows.append({"models": ", ".join(models), "round": number, **row})
    say("PSS in MB (10^6 bytes), medians over the rounds")
    print_table(median_rows(rows, "models"))
    save_rows(rows, "memory", machine, options.save)


def measure(repository: Path, models: list[str], photos: list[bytes]) -> dict[str, float]:
    """Return the PSS after load and after 1,000 requests over all of `models`, MB."""
    traffic = Traffic(tuple(photos), tuple(f"/classify?model={name}" for name in models))
    with running_server(repository, default_model=models[0], models=",".join(models)) as server:
        loaded = server.pss_mb()
        answered = 0
        for _ in range(_MOST_RUNS):
            if answered >= _REQUESTS:
                break
            answered += closed_loop(server.port, traffic, _CLIENTS, 2.0).require_clean().answered
        return {"pss_loaded_mb": loaded, "pss_used_mb": server.pss_mb(), "requests": answered}


if __name__ == "__main__":
    main()
