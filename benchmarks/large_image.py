"""A 12-megapixel JPEG: our decode and preprocess over Pillow's plain decode and resize.

All in this process on one thread, photo by photo in turn. Ours is the default model's. The plain
way decodes every pixel, resizes the shorter side and crops the centre: with bicubic, Pillow's
default for photos, and once more with the model's own filter.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.engine import Model, shipped_in
from benchmarks.machine import describe_machine, headline
from benchmarks.options import make_parser
from benchmarks.photos import make_large_photos
from benchmarks.plain import Filter, Policy, plain_planes
from benchmarks.results import print_table, save_rows, say
from benchmarks.summary import Row, median_rows

_DEFAULT: Filter = "bicubic"


def main() -> None:
    """Measure and print."""
    options = make_parser(__doc__, rounds=5).parse_args()
    machine = describe_machine()
    say(headline(machine))
    name = shipped_in(options.repository)[0]
    photos = make_large_photos()
    rows: list[Row] = [
        {"model": name, "round": number, **measure(options.repository, name, photos)}
        for number in range(options.rounds)
    ]
    say("ms for one 12-megapixel photo, medians over the rounds")
    print_table(median_rows(rows, "model"))
    save_rows(rows, "large_image", machine, options.save)


def measure(repository: Path, name: str, photos: list[bytes]) -> dict[str, float]:
    """Return one round: the median of each way over the photos, ms, and ours over the others."""
    model = Model(repository, name)
    own = policy_of(model)
    ways: dict[str, Callable[[bytes], object]] = {
        "plain_ms": partial(plain_planes, policy=replace(own, interpolation=_DEFAULT)),
        "same_filter_ms": partial(plain_planes, policy=own),
        "ours_ms": model.preprocess,
    }
    times: dict[str, list[float]] = {way: [] for way in ways}
    model.preprocess(photos[0])
    for photo in photos:
        for way, work in ways.items():
            times[way].append(_ms(partial(work, photo)))
    found = {way: statistics.median(each) for way, each in times.items()}
    return {
        "ratio": found["ours_ms"] / found["plain_ms"],
        "same_filter_ratio": found["ours_ms"] / found["same_filter_ms"],
        **found,
    }


def policy_of(model: Model) -> Policy:
    """Return the plain way's sizes and filter for a model."""
    policy = model.manifest.input
    return Policy(policy.width, policy.height, policy.resize_shorter, policy.interpolation)


def _ms(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3


if __name__ == "__main__":
    main()
