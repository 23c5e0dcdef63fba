"""What our preprocessing shortcuts cost in accuracy: top-1 beside the plain path.

The plain path decodes every pixel, turns by EXIF, resizes the shorter side and crops the centre.
Ours decodes a JPEG at a smaller scale and crops and resizes in one pass. Photos: a folder given
on the command line, else scikit-image's free photos and foolbox's labelled ones; each as it is,
and as JPEGs of the pixels of 640x480 and of 12 megapixels, enlarged with grain: the whole photo
and seeded crops of it. "Sure" means that the plain path's best probability is above 0.5. The
times are the medians of both paths, to the graph's input.
"""

import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from benchmarks.engine import Model, shipped_in
from benchmarks.large_image import policy_of
from benchmarks.machine import describe_machine, headline
from benchmarks.options import make_parser, names
from benchmarks.photos import grainy_jpeg
from benchmarks.plain import plain_planes
from benchmarks.results import print_table, save_rows, say
from benchmarks.summary import Row
from export_tools.photos import calibration_photos, gate_photos

AS_IT_IS = "as it is"
SIZES = {"640x480": 640 * 480, "720p": 1280 * 720, "12 MP": 4000 * 3000}
USUAL = (AS_IT_IS, "640x480", "12 MP")
_SURE = 0.5
_LEAST_SIDE = 0.7  # of a crop, as a share of the photo's
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo, at one size, with its class where it is known."""

    data: bytes
    size: str
    index: int | None


@dataclass(frozen=True, slots=True)
class Pair:
    """The best class by both paths for one photo."""

    size: str
    ours: int
    plain: int
    plain_probability: float
    index: int | None
    ours_ms: float = 0.0
    plain_ms: float = 0.0


def main() -> None:
    """Measure and print."""
    parser = make_parser(__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="photos to use instead")
    parser.add_argument("--models", type=names, help="default: the shipped ones")
    parser.add_argument("--sizes", type=names, default=USUAL, help=f"of {AS_IT_IS}, {[*SIZES]}")
    parser.add_argument("--reducing-gap", type=float, help="default: the server's")
    parser.add_argument("--views", type=int, default=3, help="of a photo at a size, default 3")
    options = parser.parse_args()
    machine = describe_machine()
    say(headline(machine))
    models = options.models or shipped_in(options.repository)
    shown = photos(options.folder, options.sizes, options.views)
    rows = measure(options.repository, models, shown, options.reducing_gap)
    say("share of photos whose top-1 is the plain path's; top-1 accuracy where the class is known")
    print_table(rows)
    save_rows(rows, "shortcuts", machine, options.save)


def measure(
    repository: Path,
    models: Sequence[str],
    photos: Iterable[Photo],
    reducing_gap: float | None = None,
) -> list[Row]:
    """Return a row for each model and size, and for all sizes together."""
    loaded = {name: Model(repository, name, reducing_gap) for name in models}
    pairs: dict[str, list[Pair]] = {name: [] for name in models}
    for photo in photos:
        for name, model in loaded.items():
            pairs[name].append(classify_both(model, photo))
    rows: list[Row] = []
    for name, of_model in pairs.items():
        for size in dict.fromkeys(pair.size for pair in of_model):
            own = [pair for pair in of_model if pair.size == size]
            rows.append({"model": name, "size": size, **agreement(own)})
        rows.append({"model": name, "size": "all", **agreement(of_model)})
    return rows


def photos(folder: Path | None, sizes: Sequence[str], views: int) -> Iterator[Photo]:
    """Yield every photo at every size; without a folder those of scikit-image and foolbox."""
    found: list[tuple[Path, int | None]]
    if folder is None:
        labelled = [(photo.path, photo.index) for photo in gate_photos()]
        found = [*((path, None) for path in calibration_photos()), *labelled]
    else:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
        found = [(path, None) for path in files]
    for number, (path, index) in enumerate(found):
        if AS_IT_IS in sizes:
            yield Photo(path.read_bytes(), AS_IT_IS, index)
        for size in (name for name in SIZES if name in sizes):
            for view in range(views):
                random = np.random.default_rng([number, view])
                yield Photo(_view(path, SIZES[size], random, whole=view == 0), size, index)


def classify_both(model: Model, photo: Photo) -> Pair:
    """Classify a photo by both paths."""
    started = time.perf_counter()
    our_planes = model.preprocess(photo.data)
    between = time.perf_counter()
    their_planes = plain_planes(photo.data, policy_of(model))
    times = (between - started) * 1e3, (time.perf_counter() - between) * 1e3
    ours, plain = model.probabilities(our_planes), model.probabilities(their_planes)
    best = int(plain.argmax())
    return Pair(photo.size, int(ours.argmax()), best, float(plain[best]), photo.index, *times)


def agreement(pairs: Sequence[Pair]) -> dict[str, float | None]:
    """Return the shares of equal top-1 with their counts, and the accuracy of both paths."""
    sure = [pair for pair in pairs if pair.plain_probability > _SURE]
    labelled = [pair for pair in pairs if pair.index is not None]
    return {
        "equal": _share([pair.ours == pair.plain for pair in pairs]),
        "photos": len(pairs),
        "equal_sure": _share([pair.ours == pair.plain for pair in sure]),
        "sure": len(sure),
        "top1_ours": _share([pair.ours == pair.index for pair in labelled]),
        "top1_plain": _share([pair.plain == pair.index for pair in labelled]),
        "labelled": len(labelled),
        "ours_ms": statistics.median(pair.ours_ms for pair in pairs),
        "plain_ms": statistics.median(pair.plain_ms for pair in pairs),
    }


def _share(hits: Sequence[bool]) -> float | None:
    return sum(hits) / len(hits) if hits else None


def _view(path: Path, pixels: int, random: np.random.Generator, *, whole: bool) -> bytes:
    """Return the photo, or a random crop of it, as a JPEG of about so many pixels."""
    with Image.open(path) as file:
        image = ImageOps.exif_transpose(file).convert("RGB")
    share = 1.0 if whole else random.uniform(_LEAST_SIDE, 1.0)
    across, down = image.width * share, image.height * share
    left = random.uniform(0, image.width - across)
    upper = random.uniform(0, image.height - down)
    scale = (pixels / (across * down)) ** 0.5
    size = (round(across * scale), round(down * scale))
    box = (left, upper, left + across, upper + down)
    return grainy_jpeg(image.resize(size, Image.Resampling.BICUBIC, box=box), random)


if __name__ == "__main__":
    main()
