"""A model to int8 on one's own photos: calibrated on the training ones, compared on the others."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export_tools.compress import Settings, compress_graph
from export_tools.draft import Draft, check_name
from export_tools.errors import ExportError
from export_tools.evaluate import Agreement, accuracy, agreement, run_all
from export_tools.fp32 import Say
from export_tools.gates import Int8Gates, check_int8
from export_tools.int8 import (
    DEFAULT_CHOICES,
    FULL,
    QUICK,
    Choices,
    Effort,
    Int8Result,
    Made,
    finish_draft,
    gates_for,
)
from export_tools.training.artifact import quality_of
from export_tools.training.class_folders import Photos, PhotoSet, find_photos
from export_tools.views import ViewPolicy, draw_views, views_to_planes
from service.engine.manifest import InputPolicy, Quality
from service.engine.session import OrtSession, Session, SessionOptions

_CALIBRATION_VIEWS, _GATE_VIEWS = 256, 180


def quantize_on(
    parent: Draft,
    name: str,
    folder: Path,
    say: Say,
    *,
    choices: Choices = DEFAULT_CHOICES,
    gates: Int8Gates | None = None,
    effort: Effort = FULL,
) -> Int8Result:
    """Quantise a model with one's own photos.

    Args:
        parent: the fp32 draft.
        name: of the new model.
        folder: of photos, as `finetune` took it.
        say: told what is done next, for people who wait.
        choices: the target and what else may differ.
        gates: what must hold; None takes `gates_for`.
        effort: its rounds of timing are taken.

    Raises:
        DataError: the folder cannot be used.
        GateFailed: the model is not good, small or fast enough.
    """
    check_name(name)
    if parent.manifest.precision != "fp32":
        raise ExportError(f"{parent.manifest.name} is {parent.manifest.precision}, not fp32.")
    found = find_photos(folder)
    say("calibrating")
    made = _made(parent, name, folder, found, choices)
    gates = gates or gates_for(parent, choices.target)
    # Answers to the exporter's own photos mean nothing here; size and speed do.
    elsewhere = replace(gates, agreement=0.0, agreement_sure=0.0, views=0)
    draft = finish_draft(made, say, elsewhere, replace(effort, gate=QUICK.gate)).draft
    say("comparing with fp32 on your photos")
    views = _views([item.path for item in found.test], _GATE_VIEWS, 7, parent.manifest.input)
    fp32, child = (OrtSession(g, SessionOptions()) for g in (parent.graph, made.graph))
    same = agreement(run_all(fp32, views), run_all(child, views))
    check_int8(gates, same, made.graph)
    quality = _quality(parent, child, found, same)
    manifest = draft.manifest.model_copy(update={"quality": quality})
    return Int8Result(replace(draft, manifest=manifest), same)


def _made(parent: Draft, name: str, folder: Path, found: PhotoSet, choices: Choices) -> Made:
    photos = [item.path for item in found.training]
    drawn = _views(photos, _CALIBRATION_VIEWS, 1, parent.manifest.input)
    facts: Settings = {"calibration_views": len(drawn), "calibration_photos": folder.name}
    graph, steps = compress_graph(parent.graph, drawn, choices.plan(), facts)
    before = parent.manifest.provenance.command
    own = f"featherbox-export quantize {parent.manifest.name} --data {folder.name}"
    command = (f"{before} && " if before else "") + own + choices.options()
    return Made(parent, name, graph, tuple(steps), command=command)


def _quality(parent: Draft, child: Session, found: PhotoSet, same: Agreement) -> Quality:
    """Return right answers to the test photos, where they have the parent's classes."""
    right, facts = None, parent.manifest
    if found.labels == parent.labels:
        photos = Photos(found.test, facts.input, seed=0)
        assert photos.labels is not None
        right = accuracy(run_all(child, photos.plain(range(len(photos)))), photos.labels.tolist())
    sure = round(same.sure_same / same.sure_images, 4) if same.sure_images else None
    return quality_of(right, facts.quality.dataset or "photos").model_copy(
        update={
            "parent": facts.name,
            "agreement": round(same.same / same.images, 4),
            "agreement_images": same.images,
            "agreement_sure": sure,
            "agreement_sure_images": same.sure_images,
        }
    )


def _views(
    photos: list[Path], count: int, seed: int, policy: InputPolicy
) -> list[NDArray[np.uint8]]:
    """Draw crops, as many of each photo, until there are about `count`; the photo itself first."""
    per_photo = max(1, math.ceil(count / len(photos)))
    step = max(1, len(photos) // count)  # of very many photos, every so-manieth
    views = draw_views(photos[::step], ViewPolicy(per_photo, seed, jitter=0.2))
    return list(views_to_planes(views, policy))
