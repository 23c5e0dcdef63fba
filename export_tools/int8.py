"""The int8 draft of an artifact, made from its fp32 draft, calibrated and held to the gates."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from export_tools.compress import Plan, Settings, compress_graph
from export_tools.draft import Draft, check_name, expect_selftest, file_facts_of, tool_versions
from export_tools.errors import ExportError
from export_tools.evaluate import Agreement, accuracy, agreement, run_all
from export_tools.fp32 import Say
from export_tools.gates import UNTRAINED_GATES, Int8Gates, check_int8, check_speed
from export_tools.graph_checks import check_contract
from export_tools.measure import ROUNDS, measured_facts, time_side_by_side
from export_tools.photos import (
    CALIBRATION_PHOTOS,
    calibration_photos,
    gate_data_name,
    gate_photos,
)
from export_tools.schemes import DEFAULT_TARGET, scheme_of
from export_tools.views import ViewPolicy, draw_views, photos_to_planes, views_to_planes
from service.engine.host import describe_host
from service.engine.manifest import (
    MODEL_FILE,
    CompressionStep,
    InputPolicy,
    Manifest,
    Precision,
    Quality,
)
from service.engine.session import OrtSession, Session, SessionOptions

CALIBRATION_VIEWS = ViewPolicy(per_photo=16, seed=1, least_area=0.1, jitter=0.2)
GATE_VIEWS = ViewPolicy(per_photo=9, seed=7)
SELFTEST_TOLERANCE = 0.1  # rounding differs between the int8 kernels of CPUs


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is looked at: views for calibration and for the gates, rounds of timing."""

    calibration: ViewPolicy = CALIBRATION_VIEWS
    gate: ViewPolicy = GATE_VIEWS
    rounds: int = ROUNDS


@dataclass(frozen=True, slots=True)
class Choices:
    """What `quantize` lets its user choose: target, equalisation, rounding, float layers."""

    target: str = DEFAULT_TARGET
    equalise: float = 0.0
    float_budget: float = 0.0
    compensate: bool = True
    float_first: int = 0

    def plan(self) -> Plan:
        """Return how the graph is made int8; raises `ExportError` for an unknown target."""
        return Plan(
            scheme_of(self.target),
            equalise=self.equalise,
            float_budget=self.float_budget,
            compensate=self.compensate,
            float_first=self.float_first,
        )

    def options(self) -> str:
        """Write what is not the default as the command takes it."""
        given = [("--target", self.target, DEFAULT_TARGET), ("--equalise", self.equalise, 0.0)]
        given.append(("--float-first", self.float_first, 0))
        given.append(("--float-budget", self.float_budget, 0.0))
        written = "".join(f" {name} {value}" for name, value, usual in given if value != usual)
        return written if self.compensate else f"{written} --no-compensate"


DEFAULT_PLAN = Plan()
DEFAULT_CHOICES = Choices()
FULL = Effort()
# To see that it works and what it costs, not how well it answers.
QUICK = Effort(replace(CALIBRATION_VIEWS, per_photo=1), replace(GATE_VIEWS, per_photo=1), rounds=7)


@dataclass(frozen=True, slots=True)
class Int8Result:
    """A draft and how often it agrees with its parent."""

    draft: Draft
    agreement: Agreement


def build_int8(
    parent: Draft,
    name: str,
    say: Say,
    gates: Int8Gates | None = None,
    effort: Effort = FULL,
    choices: Choices = DEFAULT_CHOICES,
) -> Int8Result:
    """Quantise an fp32 draft.

    Args:
        parent: the fp32 draft.
        name: of the new model.
        say: told what is done next, for people who wait.
        gates: what must hold; None takes `gates_for`.
        effort: how much is looked at.
        choices: the target and what else may differ.

    Raises:
        PublishError: a model cannot have that name.
        ExportError: the parent is not fp32, or the graph breaks the contract.
        GateFailed: the int8 model is not good, small or fast enough.
    """
    check_name(name)
    if parent.manifest.precision != "fp32":
        raise ExportError(f"{parent.manifest.name} is {parent.manifest.precision}, not fp32.")
    if parent.archive is not None:
        raise ExportError(f"{parent.manifest.name} is packed: quantise what it was packed from.")
    policy = parent.manifest.input
    say("calibrating")
    graph, steps = quantize_bytes(parent.graph, policy, effort.calibration, choices.plan())
    gates = gates or gates_for(parent, choices.target)
    made = Made(parent, name, graph, tuple(steps), options=choices.options())
    return finish_draft(made, say, gates, effort)


def gates_for(parent: Draft, target: str = DEFAULT_TARGET) -> Int8Gates:
    """Return the gates of `quantize`; the speed counts where this host is of the target's kind."""
    gates = UNTRAINED_GATES if parent.untrained else Int8Gates()
    at_home = (target == "arm64") == describe_host().machine.startswith(("arm", "aarch"))
    return gates if at_home else replace(gates, speedup=0.0)


@dataclass(frozen=True, slots=True)
class Made:
    """A graph made from `parent`; `command` None is `quantize` with `options`."""

    parent: Draft
    name: str
    graph: bytes
    steps: tuple[CompressionStep, ...]
    precision: Precision = "int8"
    command: str | None = None
    options: str = ""


def finish_draft(made: Made, say: Say, gates: Int8Gates, effort: Effort = FULL) -> Int8Result:
    """Compare a compressed graph with its parent, check the gates, time both, make the draft.

    Raises:
        ExportError: the graph breaks the contract.
        GateFailed: the model is not good, small or fast enough.
    """
    parent, name, graph, policy = made.parent, made.name, made.graph, made.parent.manifest.input
    check_contract(graph, policy, parent.manifest.classes)
    say("comparing with fp32")
    fp32 = OrtSession(parent.graph, SessionOptions())
    child = OrtSession(graph, SessionOptions())
    found = compare_on_gate_views(fp32, child, policy, effort.gate)
    check_int8(gates, found, graph)
    say("timing")
    timings = time_side_by_side(
        {parent.manifest.name: parent.graph, name: graph}, _timing_image(policy), effort.rounds
    )
    check_speed(gates, timings.speed_ratio(name, parent.manifest.name))
    draft = Draft(
        manifest=_manifest(made, _quality(parent, child, found)),
        graph=graph,
        labels=parent.labels,
        selftest=parent.selftest,
        measured=measured_facts(timings, name, parent.manifest.name),
    )
    return Int8Result(draft, found)


def quantize_bytes(
    graph: bytes,
    policy: InputPolicy,
    drawn: ViewPolicy = CALIBRATION_VIEWS,
    plan: Plan = DEFAULT_PLAN,
) -> tuple[bytes, list[CompressionStep]]:
    """Quantise a contract graph with the calibration views; return it and the steps taken."""
    views = draw_views(calibration_photos(), drawn)
    return quantize_with(graph, list(views_to_planes(views, policy)), plan)


def quantize_with(
    graph: bytes, planes: list[NDArray[np.uint8]], plan: Plan = DEFAULT_PLAN
) -> tuple[bytes, list[CompressionStep]]:
    """Quantise a contract graph with calibration images uint8 [3, height, width]."""
    facts: Settings = {
        "calibration_views": len(planes),
        "calibration_photos": ", ".join(photo.file for photo in CALIBRATION_PHOTOS),
        "calibration_seed": CALIBRATION_VIEWS.seed,
    }
    return compress_graph(graph, planes, plan, facts)


def compare_on_gate_views(
    parent: Session, child: Session, policy: InputPolicy, drawn: ViewPolicy = GATE_VIEWS
) -> Agreement:
    """Compare two models on seeded crops of photos that no calibration has seen."""
    paths = [photo.path for photo in gate_photos()]
    planes = list(views_to_planes(draw_views(paths, drawn), policy))
    return agreement(run_all(parent, planes), run_all(child, planes))


def _quality(parent: Draft, session: Session, found: Agreement) -> Quality:
    facts = parent.manifest.quality.model_copy(
        update={
            "parent": parent.manifest.name,
            "agreement": round(found.same / found.images, 4),
            "agreement_images": found.images,
            "agreement_sure": round(found.sure_same / found.sure_images, 4)
            if found.sure_images
            else None,
            "agreement_sure_images": found.sure_images,
        }
    )
    if parent.manifest.quality.dataset is None:
        return facts
    photos = gate_photos()
    planes: Iterable[NDArray[np.uint8]] = photos_to_planes(
        [photo.path for photo in photos], parent.manifest.input
    )
    right = accuracy(run_all(session, planes), [photo.index for photo in photos])
    return facts.model_copy(
        update={
            "dataset": gate_data_name(),
            "images": right.images,
            "top1": round(right.top1 / right.images, 4),
            "top5": round(right.top5 / right.images, 4),
        }
    )


def _manifest(made: Made, quality: Quality) -> Manifest:
    origin, graph = made.parent.manifest, made.graph
    command = f"featherbox-export quantize {origin.name}"
    if made.name != f"{origin.name}-int8":
        command += f" --name {made.name}"
    command += made.options
    before = f"{origin.provenance.command} && " if origin.provenance.command else ""
    return origin.model_copy(
        update={
            "name": made.name,
            "version": 1,
            "precision": made.precision,
            "file_bytes": len(graph),
            "files": {**origin.files, **file_facts_of({MODEL_FILE: graph})},
            "quality": quality,
            "compression": [*origin.compression, *made.steps],
            "provenance": origin.provenance.model_copy(
                update={
                    "tools": tool_versions(quantized=True),
                    "command": made.command or before + command,
                }
            ),
            "selftest": expect_selftest(
                OrtSession(graph, SessionOptions()),
                origin.input,
                made.parent.labels,
                made.parent.selftest,
                tolerance=SELFTEST_TOLERANCE,
                must_be_sure=False,
            ),
        }
    )


def _timing_image(policy: InputPolicy) -> NDArray[np.uint8]:
    (path,) = calibration_photos()[:1]
    return np.stack(list(photos_to_planes([path], policy)))
