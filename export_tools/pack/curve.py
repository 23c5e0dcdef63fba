"""The trade-off between an archive's bytes and its answers, for several ways to pack a net.

    python -m export_tools.pack.curve squeezenet1_1 efficientnet_lite0

Each model is packed by every plan below, loaded in a process of its own, and compared with its fp32
parent on the gate's views: crops of photos that calibration did not see. The rows are printed and
written as CSV; `--plot` draws them (needs matplotlib: the extra `plots`). Load times are only as
good as the box was quiet; `footprint` takes those of single artifacts.
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from export_tools.cli_support import read_model
from export_tools.draft import Draft
from export_tools.evaluate import accuracy, agreement, run_all
from export_tools.int8 import GATE_VIEWS, QUICK
from export_tools.pack.draft import finish_packed, images_for
from export_tools.pack.footprint import Footprint, footprint
from export_tools.pack.pack import Prepared, pack, prepare
from export_tools.pack.plan import PackPlan
from export_tools.pack.points import Point, write_csv
from export_tools.photos import gate_photos
from export_tools.publish import publish
from export_tools.views import draw_views, photos_to_planes, views_to_planes
from service.engine.session import OrtSession, Session, SessionOptions

_KMEANS = PackPlan(8, levels="kmeans", compensate=False)
_UNIFORM = PackPlan(8, levels="uniform", steps="rms", compensate=False)
_FISHER = PackPlan(8, levels="uniform", steps="fisher", row_damping=None)
_TRELLIS = PackPlan(8)
WAYS: dict[str, list[PackPlan]] = {
    "k-means": [replace(_KMEANS, bits=bits) for bits in (8, 6, 5, 4)],
    "k-means, half pruned": [replace(_KMEANS, bits=bits, prune=0.5) for bits in (8, 5)],
    "uniform steps": [replace(_UNIFORM, bits=bits) for bits in (6, 4, 3)],
    "Fisher steps, compensated": [replace(_FISHER, bits=bits) for bits in (4, 3, 2)],
    "steps by harm, trellis": [replace(_TRELLIS, bits=bits) for bits in (8, 5, 4, 3, 2.5, 2)],
}
RESULTS = Path("docs/pack.csv")
Planes = list[NDArray[np.uint8]]


class Judge:
    """Compares graphs with a parent on the gate's views and labelled photos."""

    def __init__(self, parent: Draft) -> None:
        policy, photos = parent.manifest.input, gate_photos()
        paths = [photo.path for photo in photos]
        self._views: Planes = list(views_to_planes(draw_views(paths, GATE_VIEWS), policy))
        self._photos: Planes = list(photos_to_planes(paths, policy))
        self._labels = [photo.index for photo in photos]
        self._parent = run_all(_session(parent.graph), self._views)

    def point(self, model: str, way: str, bits: float, draft: Draft, cost: Footprint) -> Point:
        """Return a graph's row."""
        session = _session(draft.graph)
        found = run_all(session, self._views)
        same = agreement(self._parent, found)
        right = accuracy(run_all(session, self._photos), self._labels)
        kept = accuracy(found, self._parent.argmax(axis=1).tolist()).top5
        return Point(
            model=model,
            way=way,
            bits=bits,
            file_bytes=draft.manifest.file_bytes,
            images=same.images,
            agreement=round(same.same / same.images, 4),
            agreement_sure=round(same.sure_same / max(1, same.sure_images), 4),
            in_top5=round(kept / same.images, 4),
            labelled=right.images,
            top1=right.top1,
            top5=right.top5,
            load_ms=round(cost.load_ms, 1),
            memory_mb=round(cost.memory_bytes / 1e6, 1),
        )


def measure(
    parent: Draft, ways: dict[str, list[PackPlan]], images: int, dreams: int = 0
) -> Iterator[Point]:
    """Yield the parent's row, then one for each plan."""
    name, judge = parent.manifest.name, Judge(parent)
    with tempfile.TemporaryDirectory() as folder:
        cost = footprint(publish(parent, Path(folder)))
        yield judge.point(name, "fp32", 32, parent, cost)
        prepared = prepare(parent.graph, images_for(parent, images, dreams))
        for way, plans in ways.items():
            for number, plan in enumerate(plans):
                draft = _packed(parent, prepared, plan)
                where = publish(draft, Path(folder) / f"{way}-{number}")
                yield judge.point(name, way, plan.bits, draft, footprint(where))


def _packed(parent: Draft, prepared: Prepared, plan: PackPlan) -> Draft:
    packed = pack(prepared, plan)
    return finish_packed(parent, "packed", packed, lambda _: None, effort=QUICK).draft


def _session(graph: bytes) -> Session:
    return OrtSession(graph, SessionOptions())


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", help="fp32 models of the repository")
    parser.add_argument("--from", dest="source", type=Path, default=Path("model_repository"))
    parser.add_argument("--images", type=int, default=480, help="mixtures to calibrate with")
    parser.add_argument("--dreams", type=int, default=0, help="the net's own images, besides")
    parser.add_argument("--csv", type=Path, default=RESULTS)
    parser.add_argument("--plot", type=Path, help="an SVG or PNG file")
    options = parser.parse_args()
    console, points = Console(), []
    for model in options.models:
        parent = read_model(options.source, model)
        for point in measure(parent, WAYS, options.images, options.dreams):
            points.append(point)
            console.print(*asdict(point).values(), soft_wrap=True)
            write_csv(points, options.csv)
    if options.plot is not None:
        from export_tools.pack.plot import draw  # noqa: PLC0415  (matplotlib is an extra)

        draw(points, options.plot)


if __name__ == "__main__":
    main()
