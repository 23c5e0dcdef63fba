"""A packed artifact from an fp32 one, and back to a plain one that every ONNX runtime loads."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnx
from numpy.typing import NDArray

from export_tools.draft import Draft, check_name, file_facts_of
from export_tools.errors import ExportError
from export_tools.fp32 import SELFTEST_TOLERANCE, Say
from export_tools.gates import NO_GATES
from export_tools.int8 import FULL, Effort, Int8Result, Made, finish_draft
from export_tools.pack.dreams import DREAM_SEED, draw_dreams
from export_tools.pack.mixtures import MIXED_VIEWS, MIXTURE_SEED, MIXTURES, draw_mixtures
from export_tools.pack.pack import Packed, pack, prepare
from export_tools.pack.plan import PackPlan
from export_tools.photos import CALIBRATION_PHOTOS, calibration_photos
from export_tools.views import draw_views, views_to_planes
from service.engine.manifest import MODEL_FILE, PACKED_FILE, CompressionStep

Planes = Sequence[NDArray[np.uint8]]


def images_for(
    parent: Draft, mixtures: int = MIXTURES, dreams: int = 0, seed: int = MIXTURE_SEED
) -> list[Planes]:
    """Return what packing is calibrated with: mixtures of views of the free photos, and dreams."""
    policy = parent.manifest.input
    views = list(views_to_planes(draw_views(calibration_photos(), MIXED_VIEWS), policy))
    mixed = list(draw_mixtures(views, mixtures, seed))
    if not dreams:
        return [mixed]
    model = onnx.load_model_from_string(parent.graph)
    return [mixed, list(draw_dreams(model, views, dreams, DREAM_SEED))]


def pack_draft(parent: Draft, plan: PackPlan, images: Sequence[Planes], say: Say) -> Packed:
    """Pack an fp32 draft's graph; each set of images counts the same.

    Raises:
        ExportError: the parent is not fp32, is packed itself, or has nothing to pack.
    """
    if parent.manifest.precision != "fp32" or parent.archive is not None:
        raise ExportError(f"{parent.manifest.name} is not a plain fp32 model.")
    say("looking at the calibration images")
    packed = pack(prepare(parent.graph, images), plan, say)
    photos = ", ".join(photo.file for photo in CALIBRATION_PHOTOS)
    settings = packed.step.settings | {"calibration_photos": photos}
    return replace(packed, step=CompressionStep(step=packed.step.step, settings=settings))


def finish_packed(
    parent: Draft,
    name: str,
    packed: Packed,
    say: Say,
    *,
    command: str | None = None,
    effort: Effort = FULL,
) -> Int8Result:
    """Compare a packed graph with its parent, time both, make the draft.

    Raises:
        PublishError: a model cannot have that name.
    """
    check_name(name)
    made = Made(
        parent,
        name,
        packed.graph,
        (packed.step,),
        "fp32",
        command or _command(parent, packed, name),
    )
    result = finish_draft(made, say, NO_GATES, effort)
    plain = result.draft.manifest
    files = {k: v for k, v in plain.files.items() if k != MODEL_FILE}
    manifest = plain.model_copy(
        update={
            "file_bytes": len(packed.archive),
            "files": {**files, **file_facts_of({PACKED_FILE: packed.archive})},
            "selftest": plain.selftest.model_copy(update={"tolerance": SELFTEST_TOLERANCE}),
        }
    )
    return replace(result, draft=replace(result.draft, manifest=manifest, archive=packed.archive))


def expand_draft(packed: Draft, name: str) -> Draft:
    """Return a packed artifact as a plain one: the graph is what the server computes.

    Raises:
        ExportError: it is a plain one already.
        PublishError: a model cannot have that name.
    """
    check_name(name)
    origin = packed.manifest
    if packed.archive is None:
        raise ExportError(f"{origin.name} is not packed.")
    files = {k: v for k, v in origin.files.items() if k != PACKED_FILE}
    told = f"featherbox-export expand {origin.name} --name {name}"
    before = f"{origin.provenance.command} && " if origin.provenance.command else ""
    manifest = origin.model_copy(
        update={
            "name": name,
            "file_bytes": len(packed.graph),
            "files": {**files, **file_facts_of({MODEL_FILE: packed.graph})},
            "provenance": origin.provenance.model_copy(update={"command": before + told}),
        }
    )
    return replace(packed, manifest=manifest, archive=None)


def _command(parent: Draft, packed: Packed, name: str) -> str:
    plan = packed.step.settings
    told = f"featherbox-export pack {parent.manifest.name} --bits {plan['bits']:g} --name {name}"
    before = parent.manifest.provenance.command
    return f"{before} && {told}" if before else told
