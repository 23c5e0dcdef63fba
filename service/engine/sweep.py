"""Which worker threads, processes and threads inside an inference suit this box.

Each layout classifies one photo over and over, from its bytes to its labels, as the workers do.
The layouts are run in turn, several rounds over, so that what else happens on the box hits all of
them. A layout replaces the default only if it is clearly faster in four rounds of five: on a box
that has other things to do, medians alone are faster by chance.
"""

import multiprocessing
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

from service.engine.artifact import load_artifact
from service.engine.decode import DecodeLimits
from service.engine.session import SessionOptions

CLEARLY_FASTER = 1.03


@dataclass(frozen=True, slots=True)
class Layout:
    """How the work is spread: processes, worker threads in each, threads inside an inference."""

    workers: int
    worker_threads: int
    intra_op_threads: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """Images in a second of one layout: the median over rounds, the lowest and the highest.

    `gain` is how many times the default's they are, in the same round: four of five reach it.
    """

    layout: Layout
    images_per_second: float
    lowest: float
    highest: float
    gain: float = 1.0


def layouts(cpus: int) -> list[Layout]:
    """Return the layouts worth trying on so many CPUs; the first is the default."""
    found = [Layout(1, cpus, 1), Layout(1, cpus + 1, 1), Layout(1, 1, cpus)]
    if cpus > 1:
        found += [Layout(cpus, 1, 1), Layout(1, max(1, cpus // 2), 2)]
    return list(dict.fromkeys(found))


def sweep(
    version_folder: Path,
    options: SessionOptions,
    cpus: int,
    *,
    rounds: int = 5,
    seconds: float = 1.0,
    progress: Callable[[], None] = lambda: None,
) -> list[Outcome]:
    """Run every layout.

    Args:
        version_folder: an artifact; its own self-test photo is what is classified.
        options: how sessions are made; the threads are the layout's.
        cpus: CPUs that this process may use.
        rounds: how often each layout has its turn.
        seconds: of each turn.
        progress: called after each turn.

    Raises:
        ArtifactError: the artifact cannot be loaded.
    """
    load_artifact(version_folder, options)  # says here what is wrong with it
    tried = layouts(cpus)
    teams = [_Team(version_folder, options, layout) for layout in tried]
    rates: list[list[float]] = [[] for _ in tried]
    try:
        for number in range(rounds):
            turn = range(len(teams)) if number % 2 == 0 else range(len(teams) - 1, -1, -1)
            for index in turn:
                rates[index].append(teams[index].run(seconds))
                progress()
    finally:
        for team in teams:
            team.close()
    return [
        Outcome(layout, statistics.median(found), min(found), max(found), gain_of(found, rates[0]))
        for layout, found in zip(tried, rates, strict=True)
    ]


def gain_of(rates: list[float], defaults: list[float]) -> float:
    """Return how many times the default's rate of the same round four rounds of five reach."""
    ratios = sorted(rate / default for rate, default in zip(rates, defaults, strict=True))
    return ratios[len(ratios) // 5]


def recommend(outcomes: list[Outcome]) -> Outcome:
    """Return the fastest, or the first (the default) if none is clearly faster than that."""
    best = max(outcomes, key=lambda outcome: outcome.gain)
    return outcomes[0] if best.gain < CLEARLY_FASTER else best


class _Team:
    """The processes of one layout; they wait between their turns."""

    def __init__(self, version_folder: Path, options: SessionOptions, layout: Layout) -> None:
        context = multiprocessing.get_context("spawn")
        options = replace(options, intra_op_threads=layout.intra_op_threads)
        self._members = []
        for _ in range(layout.workers):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_member,
                args=(theirs, version_folder, options, layout.worker_threads),
                daemon=True,
            )
            process.start()
            theirs.close()
            self._members.append((process, ours))
        for _, connection in self._members:
            connection.recv()

    def run(self, seconds: float) -> float:
        for _, connection in self._members:
            connection.send(seconds)
        return float(sum(connection.recv() for _, connection in self._members))

    def close(self) -> None:
        for process, connection in self._members:
            connection.close()
            process.join()


def _member(
    connection: Connection, version_folder: Path, options: SessionOptions, threads: int
) -> None:
    """Load the model, then run whenever told for how long; answer with images in a second."""
    model = load_artifact(version_folder, options)
    limits = DecodeLimits()

    def classify() -> None:
        model.classify(model.selftest_image, 1, limits)

    classify()
    connection.send(None)
    while True:
        try:
            seconds = connection.recv()
        except EOFError:
            return
        connection.send(_run(classify, threads, seconds))


def _run(classify: Callable[[], None], threads: int, seconds: float) -> float:
    done = [0] * threads
    began = time.perf_counter()

    def work(number: int) -> None:
        while not done[number] or time.perf_counter() - began < seconds:
            classify()
            done[number] += 1

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(done) / (time.perf_counter() - began)
