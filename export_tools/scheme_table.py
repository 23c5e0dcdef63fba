"""Compare the schemes on one net: how each answers, here and without VNNI, how big, how fast."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from export_tools.compress import Plan, compress_graph
from export_tools.datasets import find_items
from export_tools.draft import Draft
from export_tools.equalise import STRENGTH
from export_tools.evaluate import Accuracy, Agreement, accuracy, agreement, run_all
from export_tools.fp16 import to_fp16, weights_to_fp16
from export_tools.int8 import CALIBRATION_VIEWS, GATE_VIEWS
from export_tools.measure import time_side_by_side
from export_tools.photos import calibration_photos, gate_photos
from export_tools.saturation import WithoutVnni
from export_tools.schemes import COMPARED
from export_tools.tables import print_wide, share
from export_tools.views import draw_views, photos_to_planes, views_to_planes
from service.engine.session import OrtSession, Session, SessionOptions

_ROUNDS = 40
_Planes = list[NDArray[np.uint8]]
FP32 = "fp32"
# What belongs to no scheme, with that of the default target.
FURTHER_PLANS = {
    "u8s8, each weight to the nearest": Plan(compensate=False),
    "u8s8 equalised": Plan(equalise=STRENGTH),
    "u8s8, 10 % of MACs float": Plan(float_budget=0.1),
}


@dataclass(frozen=True, slots=True)
class SchemeRow:
    """A scheme's figures; `without_vnni` None where the scheme cannot saturate."""

    name: str
    graph: bytes
    found: Agreement
    right: Accuracy
    without_vnni: Agreement | None
    speed_ratio: float


def compare_schemes(
    parent: Draft,
    say: Callable[[str], None],
    *,
    photos: Path | None = None,
    further: Mapping[str, bytes] | None = None,
) -> list[SchemeRow]:
    """Quantise an fp32 model by every scheme and look at each.

    Args:
        parent: the fp32 model.
        say: told which scheme is next.
        photos: a folder of unlabelled photos for the agreement; None takes the gate's views.
        further: other graphs of the same model, by name.
    """
    policy = parent.manifest.input
    calibration = list(views_to_planes(draw_views(calibration_photos(), CALIBRATION_VIEWS), policy))
    labelled = gate_photos()
    known = list(photos_to_planes([photo.path for photo in labelled], policy))
    views = _views(parent, photos)
    fp32 = OrtSession(parent.graph, SessionOptions())
    wanted = run_all(fp32, views)
    indices = [photo.index for photo in labelled]
    rows = []
    for name, made in _graphs(parent.graph, calibration, further or {}):
        say(name)
        graph, saturates = made()
        session = OrtSession(graph, SessionOptions())
        elsewhere: Session | None = WithoutVnni(graph) if saturates else None
        timed = time_side_by_side({FP32: parent.graph, name: graph}, known[0][None], _ROUNDS)
        rows.append(
            SchemeRow(
                name,
                graph,
                agreement(wanted, run_all(session, views)),
                accuracy(run_all(session, known), indices),
                agreement(wanted, run_all(elsewhere, views)) if elsewhere else None,
                timed.speed_ratio(name, FP32),
            )
        )
    return rows


def print_schemes(console: Console, rows: list[SchemeRow]) -> None:
    """Print a row a scheme."""
    table = Table(box=None, pad_edge=False)
    table.add_column("scheme")
    columns = ("agreement", "where sure", "without VNNI", "top-1", "top-5", "bytes", "speed")
    for column in columns:
        table.add_column(column, justify="right")
    for row in rows:
        found, right, other = row.found, row.right, row.without_vnni
        table.add_row(
            row.name,
            share(found.same, found.images),
            share(found.sure_same, found.sure_images),
            share(other.same, other.images) if other else "the same",
            share(right.top1, right.images),
            share(right.top5, right.images),
            f"{len(row.graph):,}",
            f"{row.speed_ratio:.2f}x fp32",
        )
    print_wide(console, table)


def _views(parent: Draft, photos: Path | None) -> _Planes:
    policy = parent.manifest.input
    if photos is not None:
        items = find_items(photos, parent.labels)
        return list(photos_to_planes([item.path for item in items], policy))
    paths = [photo.path for photo in gate_photos()]
    return list(views_to_planes(draw_views(paths, GATE_VIEWS), policy))


def _graphs(
    fp32: bytes, calibration: _Planes, further: Mapping[str, bytes]
) -> list[tuple[str, Callable[[], tuple[bytes, bool]]]]:
    """Name the graphs and say how each is made, and whether it may saturate without VNNI."""

    def quantised(plan: Plan) -> Callable[[], tuple[bytes, bool]]:
        saturates = plan.scheme.saturates
        return lambda: (compress_graph(fp32, calibration, plan, {})[0], saturates)

    def given(graph: bytes, saturates: bool) -> Callable[[], tuple[bytes, bool]]:
        return lambda: (graph, saturates)

    return [
        (FP32, given(fp32, False)),
        ("fp16 weights", given(weights_to_fp16(fp32), False)),
        ("fp16", given(to_fp16(fp32), False)),
        *((name, given(graph, True)) for name, graph in further.items()),
        *((name, quantised(Plan(scheme))) for name, scheme in COMPARED.items()),
        *((name, quantised(plan)) for name, plan in FURTHER_PLANS.items()),
    ]
