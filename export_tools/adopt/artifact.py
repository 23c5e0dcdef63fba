"""From somebody else's file to a draft: composed, compared with the original, described."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto

from export_tools.adopt.batch import free_batch
from export_tools.adopt.compose import compose, write_kernel_shapes
from export_tools.adopt.opset import to_our_opset
from export_tools.adopt.original import Original, Preprocessing, read_original
from export_tools.adopt.reference import (
    Reference,
    flatten_answers,
    needs_softmax,
    softmax_rows,
)
from export_tools.draft import (
    Draft,
    check_name,
    expect_selftest,
    file_facts_of,
    labels_bytes,
    tool_versions,
)
from export_tools.errors import ExportError
from export_tools.fp32 import SELFTEST_TOLERANCE, Say
from export_tools.graph_checks import check_contract
from export_tools.graph_clean import clean_graph
from export_tools.graph_macs import count_graph_macs
from export_tools.int8 import SELFTEST_TOLERANCE as INT8_TOLERANCE
from export_tools.measure import ROUNDS, measured_facts, time_side_by_side
from export_tools.parity import BATCHES, TOLERANCE, Parity
from export_tools.photos import calibration_photos
from export_tools.views import ViewPolicy, draw_views, views_to_planes
from service.engine.manifest import (
    LABELS_FILE,
    MODEL_FILE,
    SELFTEST_FILE,
    InputPolicy,
    Interpolation,
    Manifest,
    Precision,
    Provenance,
)
from service.engine.session import OrtSession, SessionOptions
from service.errors import ContractViolation, GateFailed, ModelFailed

_VIEWS = ViewPolicy(per_photo=2, seed=3)
_CONTRIBUTED = "com.microsoft"  # operators that the runtime brings beside ONNX's
_NOT_COUNTED = ("QLinear", "Integer", "QGemm", "ConvTranspose", "Einsum", "Fused")
_NOT_AN_ANSWER = ("Flatten", "Reshape", "Squeeze", "Identity", "Cast", "DequantizeLinear")
_FIXED_BATCH = (
    "It cannot be run on several images at once: a batch size is written into its graph where it "
    "cannot be freed. Export it with a free batch axis."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptRequest:
    """A file with what only its maker knows, as the user tells it.

    `crop` may be None where the file fixes its input's size, `resize` then is 8/7 of it. `softmax`
    None looks at the answers. `unsure` takes a model that is not sure on its self-test photo.
    """

    name: str
    data: bytes
    file_name: str
    labels: tuple[str, ...]
    selftest: bytes
    preprocessing: Preprocessing
    resize: int | None = None
    crop: int | None = None
    interpolation: Interpolation = "bilinear"
    softmax: bool | None = None
    output: str | None = None
    licence: str | None = None
    unsure: bool = False
    command: str | None = None
    rounds: int = ROUNDS


@dataclass(frozen=True, slots=True)
class Adopted:
    """A draft, how close it is to its original, and what was done to get there."""

    draft: Draft
    parity: Parity
    softmax_added: bool
    reshapes_freed: int


def adopt_model(request: AdoptRequest, say: Say) -> Adopted:
    """Bring a model to the contract.

    Args:
        request: the file and what is known of it.
        say: told what is done next, for people who wait.

    Raises:
        ExportError: it cannot be taken; the text says why.
        GateFailed: the result differs from the original, or is not sure on its photo.
    """
    check_name(request.name)
    say("reading the model")
    original = read_original(request.data, request.preprocessing, request.output)
    policy = _policy(original, request)
    views = draw_views(calibration_photos(), _VIEWS)
    images = np.stack(list(views_to_planes(views, policy))[: max(BATCHES)])
    say("asking the original")
    reference = Reference(request.data, original, request.preprocessing)
    answers = flatten_answers(reference.run(images), request.labels)
    softmax = needs_softmax(answers, _last_operator(original), request.softmax)
    say("composing")
    graph, freed = _compose(original, request, policy, softmax=softmax)
    say("comparing with the original")
    session = _session(graph)
    parity = compare(session, images, softmax_rows(answers) if softmax else answers)
    say("timing")
    timings = time_side_by_side({request.name: graph}, images[:1], request.rounds)
    draft = Draft(
        manifest=_manifest(request, original, graph, policy, session),
        graph=graph,
        labels=request.labels,
        selftest=request.selftest,
        measured=measured_facts(timings, request.name, None),
    )
    return Adopted(draft, parity, softmax, freed)


def compare(session: OrtSession, images: NDArray[np.uint8], wanted: NDArray[np.float32]) -> Parity:
    """Compare the adopted graph with its original's answers, an image a row, by batch size.

    Raises:
        ExportError: a batch size cannot be run.
        GateFailed: lists every batch size at which answers differ.
    """
    worst, failures = 0.0, []
    for batch in BATCHES:
        try:
            found = session.run(images[:batch])
        except ModelFailed as error:
            raise ExportError(_FIXED_BATCH) from error
        if found.shape != wanted[:batch].shape:
            failures.append(f"batch {batch}: shape {found.shape}")
            continue
        difference = float(np.abs(found - wanted[:batch]).max())
        worst = max(worst, difference)
        if not difference <= TOLERANCE:
            failures.append(f"batch {batch}: probabilities differ by {difference:.2e}")
    if failures:
        raise GateFailed(
            f"The adopted graph differs from its original by more than {TOLERANCE:g}: "
            f"{'; '.join(failures)}."
        )
    return Parity(worst, BATCHES)


def _session(graph: bytes) -> OrtSession:
    """Load the adopted graph; a fixed batch that reaches its answer shows here."""
    try:
        return OrtSession(graph, SessionOptions())
    except ContractViolation as error:
        raise ExportError(_FIXED_BATCH) from error


def _policy(original: Original, request: AdoptRequest) -> InputPolicy:
    fixed = {size for size in (original.height, original.width) if size is not None}
    if request.crop is None and len(fixed) != 1:
        raise ExportError("The file does not say how large its square input is: give --crop.")
    size = request.crop if request.crop is not None else fixed.pop()
    if fixed - {size}:
        raise ExportError(
            f"Its input is {original.height} x {original.width} px, --crop {size} is not."
        )
    resize = request.resize if request.resize is not None else round(size * 8 / 7)
    if resize < size:
        raise ExportError(f"--resize {resize} is smaller than the crop of {size} px.")
    return InputPolicy(
        height=size, width=size, resize_shorter=resize, interpolation=request.interpolation
    )


def _compose(
    original: Original, request: AdoptRequest, policy: InputPolicy, *, softmax: bool
) -> tuple[bytes, int]:
    model = to_our_opset(original.model)
    freed = free_batch(model, original.batch)
    ready = replace(original, model=model, batch=None)
    size, classes = (policy.height, policy.width), len(request.labels)
    composed = compose(ready, request.preprocessing, size, classes, softmax=softmax)
    write_kernel_shapes(composed)
    graph = clean_graph(composed)
    check_contract(graph, policy, classes, domains=frozenset({_CONTRIBUTED}))
    return graph, freed


def _manifest(
    request: AdoptRequest,
    original: Original,
    graph: bytes,
    policy: InputPolicy,
    session: OrtSession,
) -> Manifest:
    files = {
        MODEL_FILE: graph,
        LABELS_FILE: labels_bytes(request.labels),
        SELFTEST_FILE: request.selftest,
    }
    model = onnx.load_model_from_string(graph)
    precision = _precision(original)
    return Manifest(
        name=request.name,
        version=1,
        architecture=original.model.graph.name or "unknown",
        precision=precision,
        macs=_macs(model),
        classes=len(request.labels),
        file_bytes=len(graph),
        files=file_facts_of(files),
        input=policy,
        provenance=Provenance(
            weights_source=f"adopted from {request.file_name}",
            weights_sha256=hashlib.sha256(request.data).hexdigest(),
            licence=request.licence,
            tools={"onnx": tool_versions(quantized=False)["onnx"]},
            command=request.command,
        ),
        selftest=expect_selftest(
            session,
            policy,
            request.labels,
            request.selftest,
            tolerance=INT8_TOLERANCE if precision == "int8" else SELFTEST_TOLERANCE,
            must_be_sure=not request.unsure,
        ),
    )


def _precision(original: Original) -> Precision:
    if any("Quantize" in n.op_type or "QLinear" in n.op_type for n in original.model.graph.node):
        return "int8"
    return "fp16" if original.element == TensorProto.FLOAT16 else "fp32"


def _macs(model: ModelProto) -> int | None:
    """Count the MACs, or return None where an operator is in it that is not counted."""
    if any(part in node.op_type for node in model.graph.node for part in _NOT_COUNTED):
        return None
    try:
        return count_graph_macs(model)
    except ExportError:
        return None


def _last_operator(original: Original) -> str:
    makers = {name: node for node in original.model.graph.node for name in node.output}
    name = original.output
    while name in makers and makers[name].op_type in _NOT_AN_ANSWER:
        name = makers[name].input[0]
    return makers[name].op_type if name in makers else ""
