"""Featherbox beside other servers: the same photos, model and preprocessing, interleaved rounds.

Every subject of a round is started, asked for a correct answer, warmed up, loaded by one and by
four clients, and stopped before the next. Its ratio is requests a second (the better of the two
loads) over the in-process ceiling of the same work, half before and half after them. The box
drifts by a tenth within the minutes of a round, so subjects are compared by `steady_per_s`: that
ratio, times the ceiling of the work at the round's start.

    featherbox, same work     SqueezeNet 1.1 fp32, bilinear 256/224, over service.engine's ceiling
    featherbox, out of box    the default model and its own filter, over its own ceiling
    rivals                    SqueezeNet 1.1 fp32, bilinear 256/224, over the rivals' job's ceiling

`rivals_crop box` lets the rivals crop and resize in one pass as Featherbox does. A rival that
cannot be installed or started is reported with the reason.
"""

import contextlib
import json
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.artifacts import bilinear_copy
from benchmarks.closed_loop import closed_loop
from benchmarks.engine import FP32, Classifier, classifier, shipped_in, version_folder
from benchmarks.in_process import MakeClassifier, bare_work
from benchmarks.machine import describe_machine, headline
from benchmarks.options import make_parser, names
from benchmarks.photos import make_photos
from benchmarks.results import print_table, save_rows, say
from benchmarks.rivals.catalogue import RIVALS, Rival
from benchmarks.rivals.environments import NotInstalled
from benchmarks.rivals.job import Crop, Job
from benchmarks.rivals.running import running_rival
from benchmarks.server import Probe, RunningServer, request, running_server
from benchmarks.summary import Row, median_rows
from benchmarks.traffic import Traffic
from service.engine.host import worker_threads

SAME_WORK = "featherbox, same work"
OUT_OF_BOX = "featherbox, out of box"
_WARM_UP_S = 2.0
_TURNS = 4


@dataclass(frozen=True, slots=True)
class Subject:
    """A server to measure, and the bare work that it is measured against."""

    name: str
    start: Callable[[Probe], AbstractContextManager[RunningServer]]
    path: str
    bare: MakeClassifier


def main() -> None:
    """Measure and print."""
    parser = make_parser(__doc__)
    parser.add_argument("--rivals", type=names, help="names, with commas; default: all")
    parser.add_argument("--rivals-crop", choices=["plain", "box"], default="plain")
    options = parser.parse_args()
    machine = describe_machine()
    say(headline(machine))
    rows = compare(
        options.repository, options.rivals, options.rivals_crop, options.rounds, options.seconds
    )
    print_table(median_rows(rows, "subject"))
    save_rows(rows, "compare", machine, options.save)


def compare(
    repository: Path, wanted: Sequence[str] | None, crop: Crop, rounds: int, seconds: float
) -> list[Row]:
    """Return a row for each subject and round; a row with a `problem` has no figures."""
    photos = make_photos()
    rows: list[Row] = []
    with bilinear_copy(repository, FP32) as same_work:
        subjects = [
            *featherbox_subjects(repository, same_work),
            *rival_subjects(version_folder(repository, FP32), wanted, crop),
        ]
        for number in range(rounds):
            ceilings = measure_ceilings(subjects, photos, seconds)
            for name, per_s in ceilings.items():
                rows.append({"subject": f"in process: {name}", "round": number, "per_s": per_s})
            for subject in subjects:
                row = measure(subject, photos, seconds, ceilings[_name_of_work(subject)])
                rows.append({"subject": subject.name, "round": number, **row})
                say(f"round {number + 1}: {subject.name}: {_brief(row)}")
    return rows


def featherbox_subjects(repository: Path, same_work: Path) -> list[Subject]:
    """Return the two ways in which Featherbox is measured."""
    default = shipped_in(repository)[0]
    return [
        Subject(name, partial(_start_featherbox, folder, model), "/classify",
                partial(classifier, folder, model))
        for name, folder, model in (
            (SAME_WORK, same_work, FP32), (OUT_OF_BOX, repository, default),
        )
    ]  # fmt: skip


def rival_subjects(folder: Path, wanted: Sequence[str] | None, crop: Crop) -> list[Subject]:
    """Return the rivals that are wanted, all with the model in `folder`."""
    chosen = [rival for rival in RIVALS if wanted is None or rival.name in wanted]
    if wanted is not None and len(chosen) != len(wanted):
        raise SystemExit(f"the rivals are {', '.join(rival.name for rival in RIVALS)}")
    return [
        Subject(rival.name, partial(_start_rival, rival, folder, crop), rival.path,
                partial(job_classifier, folder, crop))
        for rival in chosen
    ]  # fmt: skip


def job_classifier(folder: Path, crop: Crop) -> Classifier:
    """Return the rivals' job as a function: photo to index of the best class."""
    job = Job(folder / "model.onnx", folder / "labels.txt", crop)
    return lambda photo: int(job(photo)[0]["index"])


def measure_ceilings(
    subjects: Sequence[Subject], photos: list[bytes], seconds: float
) -> dict[str, float]:
    """Return images a second of each kind of bare work in turns, in one process for each CPU."""
    works = {_name_of_work(subject): subject.bare for subject in subjects}
    with contextlib.ExitStack() as stack:
        ready = {
            name: stack.enter_context(bare_work(bare, photos, processes=worker_threads()))
            for name, bare in works.items()
        }
        turns = [
            {name: run(seconds / _TURNS).per_s for name, run in ready.items()}
            for _ in range(_TURNS)
        ]
    return {name: statistics.fmean(turn[name] for turn in turns) for name in ready}


def measure(subject: Subject, photos: list[bytes], seconds: float, ceiling: float) -> Row:
    """Start a subject, load it and return its figures, or the problem."""
    expected = subject.bare()(photos[0])
    probe = partial(answers_correctly, subject.path, photos[0], expected)
    traffic = Traffic(tuple(photos), (subject.path,))
    try:
        with subject.start(probe) as server:
            closed_loop(server.port, traffic, 4, _WARM_UP_S)
            with bare_work(subject.bare, photos, processes=worker_threads()) as bare:
                beside = bare(seconds / 2).per_s
                one = closed_loop(server.port, traffic, 1, seconds).require_clean()
                before = server.cpu_ms()
                four = closed_loop(server.port, traffic, 4, seconds).require_clean()
                cpu = (server.cpu_ms() - before) / four.answered
                beside = (beside + bare(seconds / 2).per_s) / 2
            memory = server.pss_mb()  # alone: others that map the same files would share it
    except (NotInstalled, RuntimeError) as problem:
        return {"problem": str(problem)}
    per_s = max(one.per_s, four.per_s)
    return {
        "per_s": per_s, "ratio": per_s / beside, "steady_per_s": per_s / beside * ceiling,
        "one_p50_ms": one.p50_ms, "one_p99_ms": one.p99_ms,
        "four_p50_ms": four.p50_ms, "four_p99_ms": four.p99_ms,
        "cpu_ms": cpu, "pss_mb": memory, "cold_start_s": server.started_in_s,
    }  # fmt: skip


def answers_correctly(path: str, photo: bytes, expected: int, port: int) -> bool:
    """Return whether the server answers `photo` with the expected class; wrong ones raise.

    Raises:
        RuntimeError: it answered with another class.
    """
    status, body = request(port, "POST", path, photo)
    if status != 200:
        return False
    found = json.loads(body)["predictions"][0]["index"]
    if found != expected:
        raise RuntimeError(f"answered class {found} instead of {expected}")
    return True


def _name_of_work(subject: Subject) -> str:
    return subject.name if subject.name in {SAME_WORK, OUT_OF_BOX} else "the rivals' job"


def _brief(row: Row) -> str:
    if "problem" in row:
        return f"no figures: {row['problem']}"
    return f"{row['per_s']:.0f} requests/s, {row['ratio']:.2f} of its ceiling"


@contextlib.contextmanager
def _start_featherbox(folder: Path, model: str, answers: Probe) -> Iterator[RunningServer]:
    with running_server(folder, answers=answers, default_model=model, models=model) as server:
        yield server


@contextlib.contextmanager
def _start_rival(rival: Rival, folder: Path, crop: Crop, answers: Probe) -> Iterator[RunningServer]:
    with running_rival(rival, folder, crop, answers) as server:
        yield server


if __name__ == "__main__":
    main()
