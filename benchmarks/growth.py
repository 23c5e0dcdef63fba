"""How figures grow: with models (1 to 8), clients (1 to 256), image size, and CPUs (1 and 2).

Each axis is measured alone on the default model; `--axes` picks some. Refused requests (503) are
counted beside those that were answered.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.artifacts import copies
from benchmarks.closed_loop import closed_loop
from benchmarks.engine import classifier, shipped_in
from benchmarks.in_process import in_process
from benchmarks.machine import describe_machine, headline
from benchmarks.options import make_parser, names
from benchmarks.photos import SIZES, make_photos
from benchmarks.processes import pinned
from benchmarks.results import print_table, save_rows, say
from benchmarks.server import running_server
from benchmarks.summary import Row, median_rows
from benchmarks.traffic import Traffic
from service.engine.host import describe_host

_MODELS = (1, 2, 4, 8)
_CLIENTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_PHOTOS_A_SIZE = 8

Axis = Callable[[Path, str, float], Iterator[dict[str, float]]]


def main() -> None:
    """Measure and print."""
    parser = make_parser(__doc__, seconds=3.0)
    parser.add_argument("--axes", type=names, default=list(_AXES), help=f"of {', '.join(_AXES)}")
    options = parser.parse_args()
    default = shipped_in(options.repository)[0]
    machine = describe_machine()
    say(headline(machine))
    rows: list[Row] = []
    for number in range(options.rounds):
        for axis in options.axes:
            for row in _AXES[axis](options.repository, default, options.seconds):
                rows.append({"axis": axis, "round": number, **row})
    for axis in options.axes:
        own = [row for row in rows if row["axis"] == axis]
        say(f"by {axis}, medians over the rounds")
        print_table(median_rows(own, "axis", next(key for key in own[0] if key not in _KEYS)))
    save_rows(rows, "growth", machine, options.save)


def by_models(repository: Path, name: str, seconds: float) -> Iterator[dict[str, float]]:
    """Copies of one model, asked in turn by four clients: rate, memory and start."""
    photos = make_photos()
    for count in _MODELS:
        paths = tuple(f"/classify?model=copy-{number}" for number in range(1, count + 1))
        with (
            copies(repository, name, count) as folder,
            running_server(
                folder, default_model="copy-1", required_models=_copies(count)
            ) as server,
        ):
            loaded = server.pss_mb()
            result = closed_loop(server.port, Traffic(tuple(photos), paths), 4, seconds)
            result.require_clean()
            yield {
                "models": count,
                "per_s": result.per_s,
                "p50_ms": result.p50_ms,
                "p99_ms": result.p99_ms,
                "pss_loaded_mb": loaded,
                "pss_used_mb": server.pss_mb(),
                "start_s": server.started_in_s,
            }


def by_clients(repository: Path, name: str, seconds: float) -> Iterator[dict[str, float]]:
    """One model and more and more clients, past the places in the queue."""
    traffic = Traffic(tuple(make_photos()))
    with running_server(repository, default_model=name, models=name) as server:
        for clients in _CLIENTS:
            result = closed_loop(server.port, traffic, clients, seconds)
            yield {
                "clients": clients,
                "goodput_per_s": result.per_s,
                "p50_ms": result.p50_ms,
                "p99_ms": result.p99_ms,
                "refused": result.refused,
                "failed": result.failed,
                "pss_mb": server.pss_mb(),
            }


def by_image_size(repository: Path, name: str, seconds: float) -> Iterator[dict[str, float]]:
    """Photos from 0.1 to 12 megapixels, one client and four."""
    with running_server(repository, default_model=name, models=name) as server:
        for size in SIZES:
            photos = make_photos(_PHOTOS_A_SIZE, size)
            one = closed_loop(server.port, Traffic(tuple(photos)), 1, seconds).require_clean()
            four = closed_loop(server.port, Traffic(tuple(photos)), 4, seconds).require_clean()
            yield {
                "megapixels": size[0] * size[1] / 1e6,
                "kilobytes": sum(map(len, photos)) / len(photos) / 1e3,
                "p50_ms": one.p50_ms,
                "p99_ms": one.p99_ms,
                "per_s": four.per_s,
                "pss_mb": server.pss_mb(),
            }


def by_cpus(repository: Path, name: str, seconds: float) -> Iterator[dict[str, float]]:
    """The server, and the bare work beside it, on the first CPU and on all."""
    photos = make_photos()
    traffic = Traffic(tuple(photos))
    for cpus in range(1, int(describe_host().cpus) + 1):
        with pinned(cpus):
            bare = in_process(
                partial(classifier, repository, name), photos, seconds, processes=cpus
            )
        with running_server(repository, cpus=cpus, default_model=name, models=name) as server:
            result = closed_loop(server.port, traffic, 4, seconds).require_clean()
        yield {
            "cpus": cpus,
            "per_s": result.per_s,
            "ceiling_per_s": bare.per_s,
            "ratio": result.per_s / bare.per_s,
            "p50_ms": result.p50_ms,
            "p99_ms": result.p99_ms,
        }


def _copies(count: int) -> str:
    return ",".join(f"copy-{number}" for number in range(1, count + 1))


_AXES: dict[str, Axis] = {
    "models": by_models,
    "clients": by_clients,
    "image size": by_image_size,
    "cpus": by_cpus,
}
_KEYS = frozenset({"axis", "round"})


if __name__ == "__main__":
    main()
