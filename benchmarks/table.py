"""All goals in one table: `make bench`.

Interleaved rounds; each figure's median, its lowest and highest value, and the verdict. The
figure over the best rival needs --rivals, which installs the rivals under build/ at first.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks import cold_start, large_image, memory, shortcuts
from benchmarks.artifacts import bilinear_copy
from benchmarks.bare_pool import pool_tail
from benchmarks.compare import OUT_OF_BOX, compare, job_classifier
from benchmarks.engine import FP32, classifier, shipped_in, version_folder
from benchmarks.goals import Goal
from benchmarks.in_process import bare_work
from benchmarks.load import closed_round
from benchmarks.machine import describe_machine, headline
from benchmarks.options import make_parser
from benchmarks.photos import make_large_photos, make_photos
from benchmarks.results import print_table, save_rows, say
from benchmarks.rivals.catalogue import RIVALS
from benchmarks.rivals.job import Crop
from benchmarks.server import running_server
from benchmarks.summary import Row, median_rows, summarise
from service.engine.host import worker_threads

Values = dict[str, list[float]]  # by key of a goal, one a round

_QUICK_SECONDS = 2.0
# Short loads, so that less drifts between a load and what it is divided by.
_LOADS_A_ROUND = 3
_RIVALS_CROP: Crop = "plain"

_GOALS = {
    "same_work": Goal("requests/s over the in-process ceiling: fp32, bilinear", "at least", 0.95),
    "rivals_work": Goal(
        "the same over the ceiling of the rivals' resize, then crop", "at least", 0.95
    ),
    "over_rival": Goal("requests/s out of the box over the best rival's fp32", "at least", 1.5),
    "one_fp32": Goal("p50 of one client over in process: fp32, bilinear", "at most", 1.08),
    "one_default": Goal("p50 of one client over in process: out of the box", "at most", 1.08),
    "tail_fp32": Goal("p99 over p50 at 4 clients: fp32, bilinear", "at most", 1.5),
    "tail_default": Goal("p99 over p50 at 4 clients: out of the box", "at most", 1.5),
    "pss_loaded": Goal("PSS with one SqueezeNet when ready, MB", "at most", 120),
    "pss_used": Goal("PSS with one SqueezeNet after 1,000 requests, MB", "at most", 120),
    "cold_start": Goal("cold start until all shipped models answered, s", "at most", 1.0),
    "large": Goal("12-MP JPEG: decode and preprocess over plain Pillow", "at most", 0.30),
    "large_same": Goal("the same over plain Pillow with the model's filter", "at most", 0.30),
}


def main() -> None:
    """Measure and print."""
    parser = make_parser(__doc__, seconds=6.0)
    parser.add_argument("--quick", action="store_true", help="short loads, about two minutes")
    parser.add_argument("--rivals", action="store_true", help="measure the rivals too: +10 minutes")
    options = parser.parse_args()
    if options.quick:
        options.seconds = _QUICK_SECONDS
    machine = describe_machine()
    say(headline(machine))
    values, accuracy = measure(options)
    if options.rivals:
        rows = compare(options.repository, None, _RIVALS_CROP, options.rounds, options.seconds)
        values["over_rival"] = over_best_rival(rows)
        print_table(median_rows(rows, "subject"))
        save_rows(rows, "compare", machine, options.save if options.save == "" else None)
    table: list[Row] = [goal.row(values.get(key, [])) for key, goal in _GOALS.items()]
    table += accuracy_rows(accuracy)
    print_table(table)
    for kind in ("fp32", "default"):
        tail = summarise(values[f"bare_tail_{kind}"])
        say(f"p99 over p50 of 4 clients of the worker pool, no HTTP, {kind}: {tail}")
    save_rows(table, "table", machine, options.save)


def measure(options: argparse.Namespace) -> tuple[Values, list[Row]]:
    """Return the values of all rounds, and the rows of the shortcuts' accuracy."""
    repository, models = options.repository, shipped_in(options.repository)
    values: Values = defaultdict(list)
    photos, large = make_photos(), make_large_photos()
    for number in range(options.rounds):
        loads = 1 if options.quick else _LOADS_A_ROUND
        for _ in range(loads):
            _add_load(values, repository, models[0], photos, options.seconds / loads)
        pss = memory.measure(repository, models[:1], photos)
        values["pss_loaded"].append(pss["pss_loaded_mb"])
        values["pss_used"].append(pss["pss_used_mb"])
        values["cold_start"].append(cold_start.measure(repository, models)["all_answer_s"])
        large_photo = large_image.measure(repository, models[0], large)
        values["large"].append(large_photo["ratio"])
        values["large_same"].append(large_photo["same_filter_ratio"])
        say(f"round {number + 1} of {options.rounds} done")
    views = 1 if options.quick else 3
    shown = shortcuts.photos(None, shortcuts.USUAL, views)
    return values, shortcuts.measure(repository, models, shown)


def _add_load(
    values: Values, repository: Path, default: str, photos: list[bytes], seconds: float
) -> None:
    """Add one round of load for fp32 with the rivals' preprocessing, and for the default model."""
    cpus = worker_threads()
    with bilinear_copy(repository, FP32) as same_work:
        for kind, folder, model in (("fp32", same_work, FP32), ("default", repository, default)):
            with running_server(folder, default_model=model, models=model) as server:
                rows = closed_round(folder, model, server.port, photos, (1, 4), seconds)
            one, four = rows
            values[f"one_{kind}"].append(one["p50_ratio"])
            values[f"tail_{kind}"].append(four["p99_over_p50"])
            bare = classifier(folder, model)
            values[f"bare_tail_{kind}"].append(pool_tail(bare, photos, cpus, 4, seconds))
            if kind == "fp32":
                values["same_work"].append(four["ratio"])
                over_theirs = _our_ceiling_over_theirs(folder, model, photos, seconds)
                values["rivals_work"].append(four["ratio"] * over_theirs)


def _our_ceiling_over_theirs(
    folder: Path, model: str, photos: list[bytes], seconds: float
) -> float:
    """Return images a second of our bare work over those of the rivals' way, in turns."""
    cpus = worker_threads()
    our_way = partial(classifier, folder, model)
    their_way = partial(job_classifier, version_folder(folder, model), _RIVALS_CROP)
    with (
        bare_work(our_way, photos, processes=cpus) as ours,
        bare_work(their_way, photos, processes=cpus) as theirs,
    ):
        turns = [(ours(seconds / 4).per_s, theirs(seconds / 4).per_s) for _ in range(2)]
        return sum(our for our, _ in turns) / sum(their for _, their in turns)


def over_best_rival(rows: Sequence[Row]) -> list[float]:
    """Return, for each round, the default model's requests/s over the best rival's, both steady."""
    rivals = {rival.name for rival in RIVALS}
    ratios = []
    for number in dict.fromkeys(row["round"] for row in rows):
        rates = {
            str(row["subject"]): float(rate)
            for row in rows
            if row["round"] == number and (rate := row.get("steady_per_s")) is not None
        }
        best = max((rate for name, rate in rates.items() if name in rivals), default=None)
        if best and OUT_OF_BOX in rates:
            ratios.append(rates[OUT_OF_BOX] / best)
    return ratios


def accuracy_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the goals of the shortcuts for each model; its values are those of the sizes."""
    table: list[Row] = []
    for model in dict.fromkeys(str(row["model"]) for row in rows):
        own = [row for row in rows if row["model"] == model and row["size"] != "all"]
        equal = Goal(f"shortcuts, {model}: top-1 as the plain path's", "at least", 0.95)
        sure = Goal(f"shortcuts, {model}: the same where it is sure", "at least", 0.99)
        labelled = Goal(f"shortcuts, {model}: top-1 accuracy minus the plain", "at least", -0.02)
        table.append(equal.row(_column(own, "equal")))
        table.append(sure.row(_column(own, "equal_sure")))
        ours, plain = _column(own, "top1_ours"), _column(own, "top1_plain")
        table.append(labelled.row([a - b for a, b in zip(ours, plain, strict=True)]))
    return table


def _column(rows: Sequence[Row], key: str) -> list[float]:
    return [float(value) for row in rows if (value := row[key]) is not None]


if __name__ == "__main__":
    main()
