"""Which filter a net wants when photos are resized: accuracy on labelled photos, and time.

The twenty labelled photos of foolbox and seeded views of them, each resized by every filter that
a manifest may name. A filter belongs to the weights: take the one that their maker states, and
where none is stated the most accurate, or the fastest of those that are alike.
"""

import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from benchmarks.engine import Model, Planes, shipped_in
from benchmarks.machine import describe_machine, headline
from benchmarks.options import make_parser, names
from benchmarks.photos import make_photos
from benchmarks.results import print_table, save_rows, say
from benchmarks.summary import Row
from export_tools.photos import gate_photos
from export_tools.views import ViewPolicy, draw_views, views_to_planes
from service.engine.manifest import InputPolicy, Interpolation

FILTERS: tuple[Interpolation, ...] = get_args(Interpolation)

_SEED = 70
_SURE = 0.5
_SMALLEST = 1e-9  # probability; its logarithm counts


@dataclass(frozen=True, slots=True)
class Labelled:
    """Views as files' bytes, and the class of each."""

    views: Sequence[bytes]
    classes: NDArray[np.int64]


def main() -> None:
    """Measure and print."""
    parser = make_parser(__doc__, rounds=25)
    parser.add_argument("--models", type=names, help="default: the shipped ones")
    parser.add_argument("--views", type=int, default=40, help="of a photo, default 40")
    options = parser.parse_args()
    machine = describe_machine()
    say(headline(machine))
    labelled = labelled_views(options.views)
    rows: list[Row] = []
    for name in options.models or shipped_in(options.repository):
        rows += measure(options.repository, name, labelled, options.rounds)
    say("ms to decode and resize 640x480; shares and mean log-probability of the right class")
    print_table(rows)
    save_rows(rows, "filters", machine, options.save)


def labelled_views(per_photo: int) -> Labelled:
    """Return views of the labelled photos; the first of each is the whole photo."""
    photos = gate_photos()
    views = list(draw_views([photo.path for photo in photos], ViewPolicy(per_photo, _SEED)))
    return Labelled(views, np.repeat([photo.index for photo in photos], per_photo))


def measure(repository: Path, name: str, labelled: Labelled, rounds: int) -> list[Row]:
    """Return a row for each filter; `equal` is to the answers by the manifest's own.

    `equal_sure` counts only the views of which the model is sure by that one.
    """
    model = Model(repository, name)
    own = model.manifest.input
    policies = {each: own.model_copy(update={"interpolation": each}) for each in FILTERS}
    times = resize_ms(policies, make_photos()[: max(1, rounds)])
    answers = {
        each: _probabilities(model, views_to_planes(labelled.views, policy))
        for each, policy in policies.items()
    }
    kept = answers[own.interpolation].argmax(1)
    sure = answers[own.interpolation].max(1) > _SURE
    return [
        {
            "model": name,
            "filter": each,
            "manifest's": "yes" if each == own.interpolation else None,
            "ms": times[each],
            **accuracy(found, labelled.classes),
            "equal": float((found.argmax(1) == kept).mean()),
            "equal_sure": float((found.argmax(1) == kept)[sure].mean()),
            "sure": int(sure.sum()),
            "views": len(found),
        }
        for each, found in answers.items()
    ]


def accuracy(found: NDArray[np.float32], classes: NDArray[np.int64]) -> dict[str, float]:
    """Return top-1, top-5 and the mean log-probability of the right class.

    Args:
        found: probabilities, [views, classes].
        classes: the right one of each view.
    """
    right = found[np.arange(len(found)), classes]
    better = (found > right[:, None]).sum(1)
    return {
        "top1": float((better < 1).mean()),
        "top5": float((better < 5).mean()),
        "log_p": float(np.log(np.maximum(right, _SMALLEST)).mean()),
    }


def resize_ms(
    policies: dict[Interpolation, InputPolicy], photos: Sequence[bytes]
) -> dict[Interpolation, float]:
    """Return the median time to decode and resize a photo, ms, by filter; all in turns."""
    times: dict[Interpolation, list[float]] = {each: [] for each in policies}
    for photo in (photos[0], *photos):
        for each, policy in policies.items():
            started = time.perf_counter()
            next(views_to_planes([photo], policy))
            times[each].append((time.perf_counter() - started) * 1e3)
    return {each: statistics.median(found[1:]) for each, found in times.items()}


def _probabilities(model: Model, planes: Iterable[Planes]) -> NDArray[np.float32]:
    return np.stack([model.probabilities(each) for each in planes])


if __name__ == "__main__":
    main()
