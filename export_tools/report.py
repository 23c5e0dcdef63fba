"""The report of a recipe: report.html, self-contained, and report.csv, a row a step."""

import base64
import csv
import io
import statistics
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from export_tools.evaluate import Accuracy, Agreement, accuracy, agreement, run_all
from export_tools.int8 import GATE_VIEWS
from export_tools.measure import time_side_by_side
from export_tools.photos import calibration_photos, gate_photos
from export_tools.report_page import Flip, Page, Row, render_page
from export_tools.run_recipe import Outcome
from export_tools.saturation import WithoutVnni
from export_tools.sensitivity import Sensitivity, measure_sensitivity
from export_tools.views import ViewPolicy, draw_views, photos_to_planes, views_to_planes
from service.engine.session import OrtSession, SessionOptions

HTML, CSV = "report.html", "report.csv"
_SENSITIVITY_VIEWS = ViewPolicy(per_photo=4, seed=31)
_FLIPS = 24
_THUMBNAIL = 112
_ROUNDS = 20
_Planes = list[NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class _Looked:
    """What one stage answered."""

    graph: bytes
    answers: NDArray[np.float32]
    found: Agreement
    right: Accuracy


def write_report(outcome: Outcome, folder: Path) -> Path:
    """Look at every stage of a recipe and write the report; return the page's place."""
    policy, labels = outcome.draft.manifest.input, outcome.draft.labels
    photos = gate_photos()
    paths = [photo.path for photo in photos]
    views = list(views_to_planes(draw_views(paths, GATE_VIEWS), policy))
    known = list(photos_to_planes(paths, policy))
    stages = _look(outcome, views, known, [photo.index for photo in photos])
    timed = time_side_by_side(
        {name: stage.graph for name, stage in stages.items()}, known[0][None], _ROUNDS
    )
    manifest = outcome.draft.manifest
    rows = [
        Row(
            step=name,
            bytes=len(stage.graph),
            parameters=manifest.parameters or 0,
            macs=manifest.macs or 0,
            right=stage.right,
            found=stage.found,
            p50_ms=statistics.median(timed.by_round[name]),
            ratio=timed.speed_ratio(name, "fp32"),
        )
        for name, stage in stages.items()
    ]
    last = list(stages)[-1]
    page = Page(
        title=outcome.recipe.name,
        rows=rows,
        sensitivity=_sensitivity(outcome),
        flips=_flips(stages["fp32"].answers, stages[last].answers, views, labels),
        without_vnni=_without_vnni(outcome, stages, views),
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CSV).write_text(_csv(rows), "utf-8")
    (folder / HTML).write_text(render_page(page), "utf-8")
    return folder / HTML


def _look(
    outcome: Outcome, views: _Planes, known: _Planes, indices: list[int]
) -> dict[str, _Looked]:
    looked: dict[str, _Looked] = {}
    for name, graph in outcome.stages.items():
        session = OrtSession(graph, SessionOptions())
        answers = run_all(session, views)
        parent = looked["fp32"].answers if looked else answers
        right = accuracy(run_all(session, known), indices)
        looked[name] = _Looked(graph, answers, agreement(parent, answers), right)
    return looked


def _sensitivity(outcome: Outcome) -> Sensitivity | None:
    if outcome.recipe.precision != "int8":
        return None
    views = draw_views(calibration_photos(), _SENSITIVITY_VIEWS)
    planes = list(views_to_planes(views, outcome.draft.manifest.input))
    source = outcome.stages.get("equalise", outcome.stages["fp32"])
    return measure_sensitivity(outcome.stages["quantize"], source, planes)


def _without_vnni(outcome: Outcome, looked: dict[str, _Looked], views: _Planes) -> Agreement | None:
    """Return the agreement of an int8 model on x86 without VNNI, predicted where it can differ."""
    if outcome.recipe.precision != "int8" or outcome.without_vnni is not None:
        return outcome.without_vnni
    last = list(looked.values())[-1]
    if not outcome.recipe.quantize.scheme().saturates:
        return last.found
    return agreement(looked["fp32"].answers, run_all(WithoutVnni(last.graph), views))


def _flips(
    parent: NDArray[np.float32],
    child: NDArray[np.float32],
    planes: _Planes,
    labels: tuple[str, ...],
) -> list[Flip]:
    """Return the views on which two models differ, the parent's surest first."""
    differ = np.flatnonzero(parent.argmax(axis=1) != child.argmax(axis=1))
    differ = differ[np.argsort(-parent[differ].max(axis=1), kind="stable")][:_FLIPS]
    return [
        Flip(_thumbnail(planes[i]), _top(parent[i], labels), _top(child[i], labels)) for i in differ
    ]


def _top(answer: NDArray[np.float32], labels: tuple[str, ...]) -> list[tuple[str, float]]:
    best = np.argsort(-answer, kind="stable")[:3]
    return [(labels[i], float(answer[i])) for i in best]


def _thumbnail(planes: NDArray[np.uint8]) -> str:
    image = Image.fromarray(np.ascontiguousarray(planes.transpose(1, 2, 0)))
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=80)
    return base64.b64encode(file.getvalue()).decode()


def _csv(rows: list[Row]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(Row.COLUMNS)
    for row in rows:
        writer.writerow(row.cells())
    return file.getvalue()
