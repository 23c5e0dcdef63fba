"""Where the time of one request goes: by stage in process, and what HTTP and Python add.

For each model: the median of each stage on one thread, in process; the CPU time of the bare work
and the CPU time that the server spends on a request, with one client beside one process and with
four beside one process for each CPU, and how much of that on the event loop's thread. The
difference is the overhead of HTTP, Python and the hop between threads; with one client also of
spreading the inference over all CPUs.
"""

import statistics
from functools import partial
from pathlib import Path

from benchmarks.closed_loop import closed_loop
from benchmarks.engine import STAGES, Model, classifier, shipped_in
from benchmarks.in_process import in_process
from benchmarks.machine import describe_machine, headline
from benchmarks.options import make_parser, names
from benchmarks.photos import make_photos
from benchmarks.processes import main_thread_cpu_ms
from benchmarks.results import print_table, save_rows, say
from benchmarks.server import RunningServer, running_server
from benchmarks.summary import Row, median_rows
from benchmarks.traffic import Traffic
from service.engine.host import worker_threads


def main() -> None:
    """Measure and print."""
    parser = make_parser(__doc__)
    parser.add_argument("--models", type=names, help="default: the shipped ones")
    options = parser.parse_args()
    models: list[str] = options.models or shipped_in(options.repository)
    photos = make_photos()
    machine = describe_machine()
    say(headline(machine))
    rows: list[Row] = []
    with running_server(
        options.repository, default_model=models[0], models=",".join(models)
    ) as server:
        for number in range(options.rounds):
            for name in models:
                row = measure(options.repository, name, server, photos, options.seconds)
                rows.append({"model": name, "round": number, **row})
    say("medians over the rounds, ms for one image")
    print_table(median_rows(rows, "model"))
    save_rows(rows, "micro", machine, options.save)


def measure(
    repository: Path, name: str, server: RunningServer, photos: list[bytes], seconds: float
) -> dict[str, float]:
    """Return one round of one model: stages, CPU time in process, CPU time in the server, ms."""
    stages = stage_medians(Model(repository, name), photos)
    make, cpus = partial(classifier, repository, name), worker_threads()
    row = {**stages, "stages_sum": sum(stages.values())}
    for clients, processes in ((1, 1), (4, cpus)):
        bare = in_process(make, photos, seconds, processes=processes)
        row[f"in_process_cpu_{clients}"] = bare.cpu_ms
        spent, on_loop = server_cpu_ms(server, name, photos, clients, seconds)
        row[f"server_cpu_{clients}"] = spent
        row[f"overhead_cpu_{clients}"] = spent - bare.cpu_ms
        row[f"loop_cpu_{clients}"] = on_loop
    return row


def stage_medians(model: Model, photos: list[bytes]) -> dict[str, float]:
    """Return the median of each stage over the photos, on this thread, ms."""
    for photo in photos[:8]:
        model.classify(photo)
    times = [model.classify(photo).stages_ms for photo in photos]
    return {stage: statistics.median(t[i] for t in times) for i, stage in enumerate(STAGES)}


def server_cpu_ms(
    server: RunningServer, name: str, photos: list[bytes], clients: int, seconds: float
) -> tuple[float, float]:
    """Return the CPU time of one request under a closed loop: all, and on the event loop, ms."""
    traffic = Traffic(tuple(photos), (f"/classify?model={name}",))
    closed_loop(server.port, traffic, clients, 1.0)
    before, loop_before = server.cpu_ms(), main_thread_cpu_ms(server.pid)
    result = closed_loop(server.port, traffic, clients, seconds).require_clean()
    spent, on_loop = server.cpu_ms() - before, main_thread_cpu_ms(server.pid) - loop_before
    return spent / result.answered, on_loop / result.answered


if __name__ == "__main__":
    main()
