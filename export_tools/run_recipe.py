"""Run a recipe: export, quantise and distil or pack, evaluate, gates, publish.

Each step but the last three is kept by `step_cache`, so a killed run goes on where it was. Gates
are checked together, on what was measured now; a gate that fails publishes nothing.
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from export_tools.draft import Draft, read_draft
from export_tools.evaluate import Agreement
from export_tools.fp16 import to_fp16, weights_to_fp16
from export_tools.fp32 import Say, build_fp32
from export_tools.gates import NO_GATES
from export_tools.int8 import FULL, Effort, Int8Result, Made, compare_on_gate_views, finish_draft
from export_tools.int8_steps import Int8Steps
from export_tools.pack.draft import finish_packed
from export_tools.pack.recipe_step import run_pack
from export_tools.publish import publish, published_versions
from export_tools.recipe import GatesPart, Recipe
from export_tools.request import read_bytes, resolve
from export_tools.saturation import WithoutVnni
from export_tools.step_cache import StepCache, content_hash
from service.engine.manifest import CompressionStep, Precision
from service.engine.session import OrtSession, SessionOptions
from service.errors import GateFailed

CACHE = Path("build/recipes")
_FP16 = {"fp16": to_fp16, "fp16-weights": weights_to_fp16}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a recipe made; `stages` are the graphs on the way, fp32 first.

    `agreement` is with the fp32 parent on the gate's views, `without_vnni` what is predicted for
    a host that has no VNNI; None for fp32, and where nobody asked.
    """

    recipe: Recipe
    draft: Draft
    stages: dict[str, bytes]
    agreement: Agreement | None = None
    without_vnni: Agreement | None = None


def run_recipe(
    recipe: Recipe,
    say: Say,
    *,
    folder: Path = Path(),
    cache: Path = CACHE,
    effort: Effort = FULL,
) -> Outcome:
    """Make what a recipe asks for, without publishing it.

    Args:
        recipe: what to make.
        say: told what is done next, for people who wait.
        folder: where the recipe's own files are.
        cache: where finished steps are kept.
        effort: how much the gates look at.

    Raises:
        ArtifactError: a step failed.
        GateFailed: names every gate of the recipe that does not hold.
    """
    parent = _export(recipe, say, folder, cache)
    stages = {"fp32": parent.graph}
    told = f"featherbox-export run {recipe.name}"
    if recipe.pack is not None:
        packed = run_pack(recipe.pack, parent, StepCache(cache), say)
        stages["pack"] = packed.graph
        result = finish_packed(parent, recipe.name, packed, say, command=told, effort=effort)
        return _checked(recipe, parent, result, stages)
    if recipe.precision == "fp32":
        _hold(recipe.name, _size_faults(recipe.gates, parent))
        return Outcome(recipe, parent, stages)
    if recipe.precision == "int8":
        steps = Int8Steps(recipe, parent, StepCache(cache), say)
        graph, taken = steps.run(), steps.taken
        stages |= steps.stages
    else:
        graph = _FP16[recipe.precision](parent.graph)
        taken = [CompressionStep(step=recipe.precision)]
        stages[recipe.precision] = graph
    kind: Precision = "int8" if recipe.precision == "int8" else "fp16"
    made = Made(parent, recipe.name, graph, tuple(taken), kind, told)
    result = finish_draft(made, say, NO_GATES, effort)
    elsewhere = _predict(recipe, parent, graph, say, effort)
    return _checked(recipe, parent, result, stages, elsewhere)


def _checked(
    recipe: Recipe,
    parent: Draft,
    result: Int8Result,
    stages: dict[str, bytes],
    elsewhere: Agreement | None = None,
) -> Outcome:
    """Return what was made if every gate of the recipe holds."""
    faults = [
        *_size_faults(recipe.gates, result.draft),
        *_quality_faults(recipe.gates, parent, result.draft, result.agreement, elsewhere),
    ]
    _hold(recipe.name, faults)
    return Outcome(recipe, result.draft, stages, result.agreement, elsewhere)


def _export(recipe: Recipe, say: Say, folder: Path, cache: Path) -> Draft:
    """Return the fp32 parent, published into the cache when it is new."""
    request = resolve(recipe.model.typed(folder))
    if not recipe.has_parent:
        request = replace(request, name=recipe.name)
    depends: dict[str, Any] = {"model": recipe.model.model_dump(mode="json"), "as": request.name}
    if request.weights is not None:
        depends["weights"] = hashlib.sha256(read_bytes(request.weights)).hexdigest()
    repository = cache / f"export-{content_hash(depends)[:16]}"
    if published_versions(repository, request.name):
        say("export: found finished")
        return read_draft(repository / request.name / "1")
    draft = build_fp32(request, say).draft
    publish(draft, repository, version=1)
    return draft


def _predict(
    recipe: Recipe, parent: Draft, graph: bytes, say: Say, effort: Effort
) -> Agreement | None:
    wanted = recipe.gates.smallest_agreement_without_vnni
    if recipe.precision != "int8" or wanted is None:
        return None
    say("predicting the answers of a host without VNNI")
    fp32 = OrtSession(parent.graph, SessionOptions())
    return compare_on_gate_views(fp32, WithoutVnni(graph), parent.manifest.input, effort.gate)


def _size_faults(gates: GatesPart, draft: Draft) -> list[str]:
    if gates.largest_bytes is None or draft.manifest.file_bytes <= gates.largest_bytes:
        return []
    return [f"{draft.manifest.file_bytes:,} bytes are more than {gates.largest_bytes:,}"]


def _quality_faults(
    gates: GatesPart, parent: Draft, draft: Draft, found: Agreement, elsewhere: Agreement | None
) -> list[str]:
    faults = []
    shares = [
        ("agreement", found.same, found.images, gates.smallest_agreement),
        ("where sure", found.sure_same, found.sure_images, gates.smallest_agreement_sure),
    ]
    if elsewhere is not None:
        least = gates.smallest_agreement_without_vnni
        shares.append(("without VNNI", elsewhere.same, elsewhere.images, least))
    for name, same, images, least in shares:
        if least is not None and same < least * images:
            faults.append(f"{name} {same}/{images} is below {least:g}")
    before, after = parent.manifest.quality.top1, draft.manifest.quality.top1
    drop = gates.largest_accuracy_drop
    # Rounded, for 0.9 - 0.85 is a little more than 0.05.
    fell = round((before or 0.0) - (after or 0.0), 6)
    if drop is not None and before is not None and fell > drop:
        faults.append(f"top-1 falls from {before:g} to {after:g}, by more than {drop:g}")
    ratio = draft.measured["parent"]["speed_ratio"]
    if gates.smallest_speedup is not None and ratio < gates.smallest_speedup:
        faults.append(f"speed is {ratio:.2f}x fp32, below {gates.smallest_speedup:g}x")
    return faults


def _hold(name: str, faults: list[str]) -> None:
    if faults:
        raise GateFailed(f"The gates of {name} do not hold: {'; '.join(faults)}.")
