"""The same work with no server: the ceiling that a server is measured against.

Photos in memory, in turn; as many processes (or threads of one process) as asked for, told to
begin together, each repeating decode, preprocess, inference and top-k.
"""

import contextlib
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

from benchmarks.engine import Classifier
from benchmarks.summary import percentile

MakeClassifier = Callable[[], Classifier]

_WARM_UP = 8


@dataclass(frozen=True, slots=True)
class InProcess:
    """What the bare work takes."""

    per_s: float  # images a second, all processes and threads together
    p50_ms: float  # of one image
    cpu_ms: float  # CPU time of one image


@dataclass(frozen=True, slots=True)
class Part:
    """What one process did."""

    latencies_ms: list[float]
    seconds: float
    cpu_ms: float


def in_process(
    make: MakeClassifier,
    photos: Sequence[bytes],
    seconds: float,
    *,
    processes: int = 1,
    threads: int = 1,
) -> InProcess:
    """Classify `photos` in turn for `seconds`, once; see `bare_work`."""
    with bare_work(make, photos, processes=processes, threads=threads) as run:
        return run(seconds)


@contextlib.contextmanager
def bare_work(
    make: MakeClassifier, photos: Sequence[bytes], *, processes: int = 1, threads: int = 1
) -> Iterator[Callable[[float], InProcess]]:
    """Keep processes ready that classify `photos` in turn; yield what lets all work so many s.

    Between two runs they wait, so that they and a server can be measured in turns of a second.

    Args:
        make: makes the classifier, once a process; must be picklable.
        photos: files' bytes.
        processes: how many work at once.
        threads: in each process, sharing its classifier.
    """
    context = multiprocessing.get_context("spawn")
    pipes, workers = [], []
    for _ in range(processes):
        ours, theirs = context.Pipe()
        worker = context.Process(target=_work, args=(theirs, make, list(photos), threads))
        worker.start()
        theirs.close()
        pipes.append(ours)
        workers.append(worker)

    def run(seconds: float) -> InProcess:
        for pipe in pipes:
            pipe.send(seconds)
        return combine([pipe.recv() for pipe in pipes])

    try:
        for pipe in pipes:
            pipe.recv()  # it has loaded and is warm
        yield run
    finally:
        for pipe in pipes:
            pipe.close()
        for worker in workers:
            worker.join()


def combine(parts: Sequence[Part]) -> InProcess:
    """Add up what several processes did at the same time."""
    latencies = [value for part in parts for value in part.latencies_ms]
    per_s = sum(len(part.latencies_ms) / part.seconds for part in parts)
    cpu = sum(part.cpu_ms for part in parts) / len(latencies)
    return InProcess(per_s, percentile(latencies, 0.5), cpu)


def _work(pipe: Connection, make: MakeClassifier, photos: list[bytes], threads: int) -> None:
    classify = make()
    for photo in photos[:_WARM_UP]:
        classify(photo)
    pipe.send(None)
    with contextlib.suppress(EOFError, OSError):  # nobody wants any more
        while True:
            pipe.send(_run(classify, photos, pipe.recv(), threads))


def _run(classify: Classifier, photos: list[bytes], seconds: float, threads: int) -> Part:
    latencies: list[list[float]] = [[] for _ in range(threads)]
    runners = [
        threading.Thread(target=_repeat, args=(classify, photos, turn, seconds, latencies[turn]))
        for turn in range(threads)
    ]
    started, cpu = time.perf_counter(), time.process_time()
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    spent, used = time.perf_counter() - started, (time.process_time() - cpu) * 1e3
    return Part([value for part in latencies for value in part], spent, used)


def _repeat(
    classify: Classifier, photos: list[bytes], turn: int, seconds: float, latencies: list[float]
) -> None:
    end = time.perf_counter() + seconds
    while (started := time.perf_counter()) < end:
        classify(photos[turn % len(photos)])
        latencies.append((time.perf_counter() - started) * 1e3)
        turn += 1
