"""The fp32 draft of an artifact: weights, export, parity, quality, timings."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from export_tools.draft import (
    UNTRAINED,
    Draft,
    check_name,
    expect_selftest,
    file_facts_of,
    labels_bytes,
    tool_versions,
)
from export_tools.evaluate import accuracy, run_all
from export_tools.measure import ROUNDS, measured_facts, time_side_by_side
from export_tools.onnx_export import export_onnx
from export_tools.parity import BATCHES, Parity, check_parity
from export_tools.photos import calibration_photos, gate_data_name, gate_photos
from export_tools.serving_net import ServingNet
from export_tools.views import ViewPolicy, draw_views, photos_to_planes, views_to_planes
from export_tools.weights import (
    RANDOM,
    LoadedNet,
    WeightSource,
    load_net,
    random_crop,
    random_net,
)
from export_tools.weights.choose import NO_OPTIONS, Options
from export_tools.weights.source import Checkpoint
from service.engine.manifest import (
    LABELS_FILE,
    MODEL_FILE,
    SELFTEST_FILE,
    Manifest,
    Provenance,
    Quality,
)
from service.engine.session import OrtSession, Session, SessionOptions

SELFTEST_TOLERANCE = 0.02  # decoders and CPUs differ in the last bits
IMAGENET_CLASSES = 1000
_PARITY_VIEWS = ViewPolicy(per_photo=2, seed=3)
_STATISTICS_VIEWS = ViewPolicy(per_photo=2, seed=5)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Fp32Request:
    """What to export; `weights` None takes the file that the source packages.

    `options` are of the variant, beside those that the weights fix; `input_size` None is that of
    the weights' maker, in pixels; `seed` is that of random weights (the source `RANDOM`);
    `labels_option` is how the labels were asked for, where they are not ImageNet's.
    """

    name: str
    architecture: str
    source: WeightSource
    labels: tuple[str, ...]
    selftest: bytes
    weights: Path | None = None
    checkpoint: Checkpoint | None = None
    options: Options = field(default_factory=lambda: NO_OPTIONS)
    input_size: int | None = None
    seed: int = 0
    labels_option: str = ""


@dataclass(frozen=True, slots=True)
class Fp32Result:
    """A draft and how close its graph is to PyTorch; `untrained` says what was never trained."""

    draft: Draft
    parity: Parity
    untrained: str = ""


def build_fp32(request: Fp32Request, say: Say, rounds: int = ROUNDS) -> Fp32Result:
    """Export a net with its weights.

    Args:
        request: what to export.
        say: told what is done next, for people who wait.
        rounds: of timing.

    Raises:
        ArtifactError: the name, the weights, the graph or a gate; its text says which.
    """
    check_name(request.name)
    say("reading the weights")
    loaded = _load(request)
    net = ServingNet(loaded.net, loaded.normalisation).eval()
    say("exporting to ONNX")
    graph = export_onnx(net, loaded.input, loaded.classes)
    session = OrtSession(graph, SessionOptions())
    say("comparing with PyTorch")
    views = draw_views(calibration_photos(), _PARITY_VIEWS)
    planes = list(views_to_planes(views, loaded.input))[: max(BATCHES)]
    parity = check_parity(net, session, np.stack(planes))
    say("evaluating")
    manifest = _manifest(request, loaded, graph, session)
    say("timing")
    timings = time_side_by_side({request.name: graph}, planes[0][np.newaxis], rounds)
    draft = Draft(
        manifest=manifest,
        graph=graph,
        labels=request.labels,
        selftest=request.selftest,
        measured=measured_facts(timings, request.name, None),
    )
    return Fp32Result(draft, parity, loaded.untrained)


def _load(request: Fp32Request) -> LoadedNet:
    if request.source is not RANDOM:
        return load_net(
            request.architecture,
            request.source,
            request.weights,
            classes=len(request.labels),
            options=request.options,
            checkpoint=request.checkpoint,
            input_size=request.input_size,
            new_head=True,
        )
    policy = random_crop(request.architecture, request.input_size).policy()
    views = draw_views(calibration_photos(), _STATISTICS_VIEWS)
    return random_net(
        request.architecture,
        torch.from_numpy(np.stack(list(views_to_planes(views, policy)))),
        seed=request.seed,
        classes=len(request.labels),
        options=request.options,
    )


def _manifest(request: Fp32Request, loaded: LoadedNet, graph: bytes, session: Session) -> Manifest:
    files = {
        MODEL_FILE: graph,
        LABELS_FILE: labels_bytes(request.labels),
        SELFTEST_FILE: request.selftest,
    }
    selftest = expect_selftest(
        session,
        loaded.input,
        request.labels,
        request.selftest,
        tolerance=SELFTEST_TOLERANCE,
        must_be_sure=not loaded.untrained,
    )
    return Manifest(
        name=request.name,
        version=1,
        architecture=request.architecture,
        variant={k: v for k, v in loaded.spec.variant.items() if v is not None},
        precision="fp32",
        parameters=loaded.parameters,
        macs=loaded.macs,
        classes=loaded.classes,
        file_bytes=len(graph),
        files=file_facts_of(files),
        input=loaded.input,
        quality=_quality(loaded, session),
        provenance=_provenance(request, loaded),
        selftest=selftest,
    )


def _quality(loaded: LoadedNet, session: Session) -> Quality:
    if loaded.untrained or loaded.classes != IMAGENET_CLASSES:
        return Quality(published=loaded.published)
    photos = gate_photos()
    probabilities = run_all(session, photos_to_planes([p.path for p in photos], loaded.input))
    found = accuracy(probabilities, [photo.index for photo in photos])
    return Quality(
        dataset=gate_data_name(),
        images=found.images,
        top1=round(found.top1 / found.images, 4),
        top5=round(found.top5 / found.images, 4),
        published=loaded.published,
    )


def _provenance(request: Fp32Request, loaded: LoadedNet) -> Provenance:
    source = request.source
    note = f" ({loaded.untrained}, {UNTRAINED})" if loaded.untrained else ""
    return Provenance(
        weights_source=f"{source.origin}: {loaded.file_name}{note}",
        weights_sha256=loaded.sha256,
        licence=source.licence,
        tools=tool_versions(quantized=False),
        command=_command(request, loaded),
    )


def _command(request: Fp32Request, loaded: LoadedNet) -> str:
    parts = [f"featherbox-export export {request.architecture}"]
    if request.source is RANDOM:
        parts.append(f"--random-weights --seed {request.seed}")
    else:
        parts.append(f"--source {request.source.name}")
    if request.weights is not None:
        parts.append(f"--weights {loaded.file_name}")
    chosen = {**(request.checkpoint.variant if request.checkpoint else {}), **request.options}
    parts += [f"--variant {name}={value}" for name, value in chosen.items()]
    if request.input_size is not None:
        parts.append(f"--input-size {request.input_size}")
    if request.labels_option:
        parts.append(request.labels_option)
    if request.name != request.architecture:
        parts.append(f"--name {request.name}")
    return " ".join(parts)
