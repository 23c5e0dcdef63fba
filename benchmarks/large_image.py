"""A 12-megapixel JPEG: our decode and preprocess over Pillow's plain decode and resize.

Both in this process on one thread, photo by photo in turn, with the default model's own filter.
The plain way decodes every pixel, resizes the shorter side and crops the centre.
"""

import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.engine import Model, shipped_in
from benchmarks.machine import describe_machine, headline
from benchmarks.options import make_parser
from benchmarks.photos import make_large_photos
from benchmarks.plain import Policy, plain_planes
from benchmarks.results import print_table, save_rows, say
from benchmarks.summary import Row, median_rows


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
    """Return one round: the median of both ways over the photos, ms, and their ratio."""
    model = Model(repository, name)
    policy = policy_of(model)
    ours, plain = [], []
    model.preprocess(photos[0])
    for photo in photos:
        plain.append(_ms(partial(plain_planes, photo, policy)))
        ours.append(_ms(partial(model.preprocess, photo)))
    ours_ms, plain_ms = statistics.median(ours), statistics.median(plain)
    return {"ratio": ours_ms / plain_ms, "ours_ms": ours_ms, "plain_ms": plain_ms}


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
