"""The fp32 draft of an artifact: weights, export, parity, quality, timings."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export_tools.draft import (
    Draft,
    check_name,
    expect_selftest,
    file_facts_of,
    labels_bytes,
    tool_versions,
)
from export_tools.evaluate import accuracy, run_all
from export_tools.measure import measured_facts, time_side_by_side
from export_tools.onnx_export import export_onnx
from export_tools.parity import BATCHES, Parity, check_parity
from export_tools.photos import calibration_photos, gate_data_name, gate_photos
from export_tools.serving_net import ServingNet
from export_tools.views import ViewPolicy, draw_views, photos_to_planes, views_to_planes
from export_tools.weights import LoadedNet, WeightSource, load_net
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

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Fp32Request:
    """What to export; `weights` None takes the file that the source packages."""

    name: str
    architecture: str
    source: WeightSource
    labels: tuple[str, ...]
    selftest: bytes
    weights: Path | None = None


@dataclass(frozen=True, slots=True)
class Fp32Result:
    """A draft and how close its graph is to PyTorch."""

    draft: Draft
    parity: Parity


def build_fp32(request: Fp32Request, say: Say) -> Fp32Result:
    """Export a net with its weights.

    Args:
        request: what to export.
        say: told what is done next, for people who wait.

    Raises:
        ArtifactError: the name, the weights, the graph or a gate; its text says which.
    """
    check_name(request.name)
    say("reading the weights")
    loaded = load_net(
        request.architecture, request.source, request.weights, classes=len(request.labels)
    )
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
    timings = time_side_by_side({request.name: graph}, planes[0][np.newaxis])
    draft = Draft(
        manifest=manifest,
        graph=graph,
        labels=request.labels,
        selftest=request.selftest,
        measured=measured_facts(timings, request.name, None),
    )
    return Fp32Result(draft, parity)


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
        must_be_sure=True,
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
        quality=_quality(request, loaded, session),
        provenance=_provenance(request, loaded),
        selftest=selftest,
    )


def _quality(request: Fp32Request, loaded: LoadedNet, session: Session) -> Quality:
    published = request.source.published.get(request.architecture)
    if loaded.classes != IMAGENET_CLASSES:
        return Quality()
    photos = gate_photos()
    probabilities = run_all(session, photos_to_planes([p.path for p in photos], loaded.input))
    found = accuracy(probabilities, [photo.index for photo in photos])
    return Quality(
        dataset=gate_data_name(),
        images=found.images,
        top1=round(found.top1 / found.images, 4),
        top5=round(found.top5 / found.images, 4),
        published=published,
    )


def _provenance(request: Fp32Request, loaded: LoadedNet) -> Provenance:
    source = request.source
    command = f"featherbox-export export {request.architecture} --source {source.name}"
    if request.weights is not None:
        command += f" --weights {loaded.file_name}"
    if request.name != request.architecture:
        command += f" --name {request.name}"
    return Provenance(
        weights_source=f"{source.origin}: {loaded.file_name}",
        weights_sha256=loaded.sha256,
        licence=source.licence,
        tools=tool_versions(quantized=False),
        command=command,
    )
