"""One version folder to a model that can answer: checked, hashed, loaded and self-tested.

Every file is read once and used from memory, so that what was hashed is what is loaded.
"""

import hashlib
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path

from service.engine.batcher import Batcher, make_batcher
from service.engine.decode import DecodeLimits
from service.engine.faults import Faults
from service.engine.fbz import expand
from service.engine.graph_scan import check_graph
from service.engine.host import Host
from service.engine.manifest import (
    LABELS_FILE,
    MANIFEST_FILE,
    PACKED_FILE,
    SELFTEST_FILE,
    FileFacts,
    Manifest,
    read_manifest,
)
from service.engine.pipeline import Classification, classify_image
from service.engine.session import OrtSession, Session, SessionOptions
from service.errors import (
    ContractViolation,
    HashMismatch,
    InvalidManifest,
    RequestError,
    SelfTestFailed,
    UnsafeGraph,
)

# Between the nodes of one inference. Waking a thread that sleeps takes as long as a small node;
# much longer than this, it would keep the CPU from whoever else has work by now.
_LONE_SPINS_US = 100


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that passed every check; safe to use from several threads.

    `lone_session`, if there is one, is for an image that has the box to itself: it spreads one
    inference over several threads, which only pays while the other CPUs have nothing to do.
    `batcher`, if there is one, lets images that are in work at the same time share a run.
    """

    manifest: Manifest
    labels: tuple[str, ...]
    session: Session
    selftest_image: bytes
    graph: bytes = b""
    lone_session: Session | None = None
    faults: Faults = field(default_factory=Faults)
    batcher: Batcher | None = None

    def classify(
        self, data: bytes | memoryview, top_k: int, limits: DecodeLimits, alone: bool = False
    ) -> Classification:
        """Classify one image; `alone` says that no other is in work. See `classify_image`."""
        session = self.lone_session if alone and self.lone_session else self.session
        try:
            if self.batcher is None or session is self.lone_session:
                policy, labels = self.manifest.input, self.labels
                result = classify_image(data, session, policy, labels, top_k, limits)
            else:
                result = self._classify_among_others(self.batcher, data, top_k, limits)
        except RequestError:
            raise
        except Exception:
            self.faults.add()
            raise
        if self.faults.count:
            self.faults.count = 0
        return result

    def _classify_among_others(
        self, batcher: Batcher, data: bytes | memoryview, top_k: int, limits: DecodeLimits
    ) -> Classification:
        with batcher.seat() as seat:
            result = classify_image(data, seat, self.manifest.input, self.labels, top_k, limits)
        result.times.queue = seat.waited_ms
        result.times.inference -= seat.waited_ms
        return result

    def widened(self, options: SessionOptions) -> "LoadedModel":
        """Return the model with a session for lone images, if the options ask for one."""
        more = options.lone_request_threads > options.intra_op_threads
        if not more or self.session.providers[0] != "CPUExecutionProvider":
            return replace(self, graph=b"")
        wide = replace(
            options, intra_op_threads=options.lone_request_threads, spins_us=_LONE_SPINS_US
        )
        return replace(self, graph=b"", lone_session=OrtSession(self.graph, wide))


def load_artifact(version_folder: Path, options: SessionOptions) -> LoadedModel:
    """Check and load one version of a model; the self-test is `selftest`.

    Args:
        version_folder: holds model.onnx or model.fbz, manifest.json, labels.txt and selftest.jpg.
        options: how the session is made.

    Raises:
        ArtifactError: the reason is in its type and text.
    """
    for path in (version_folder.parent, version_folder, version_folder / MANIFEST_FILE):
        if path.is_symlink():
            raise UnsafeGraph(f"{path.name} is a link; copy it instead.")
    manifest = read_manifest(version_folder)
    files = {name: _read_checked(version_folder / name, manifest) for name in manifest.hashed_files}
    graph = files.pop(manifest.graph_file)
    if manifest.graph_file == PACKED_FILE:
        graph = expand(graph)
    check_graph(graph)
    labels = _read_labels(files[LABELS_FILE], manifest)
    session = OrtSession(graph, options)
    shape = (session.height, session.width, session.classes)
    promised = (manifest.input.height, manifest.input.width, manifest.classes)
    if shape != promised:
        raise ContractViolation(
            f"The graph has height, width, classes {shape}, its manifest says {promised}."
        )
    batcher = make_batcher(session, options.max_batch, options.max_delay_ms / 1e3)
    return LoadedModel(manifest, labels, session, files[SELFTEST_FILE], graph, batcher=batcher)


def selftest(model: LoadedModel) -> None:
    """Compare the answer on the model's own photo with the manifest.

    Raises:
        SelfTestFailed: another label, or a probability outside the tolerance.
    """
    expected = model.manifest.selftest
    try:
        answer = model.classify(model.selftest_image, 1, DecodeLimits()).predictions[0]
    except RequestError as error:
        raise SelfTestFailed(f"{SELFTEST_FILE} cannot be classified: {error.detail}") from error
    difference = abs(answer.probability - expected.probability)
    if answer.index != expected.index or not difference <= expected.tolerance:
        raise SelfTestFailed(
            f"Expected {expected.label!r} at {expected.probability:.3f} "
            f"(+-{expected.tolerance:.3f}), got {answer.label!r} at {answer.probability:.3f}."
        )


def checked_selftest(model: LoadedModel, host: Host) -> list[str]:
    """Run the self-test and return warnings for `/models`.

    An int8 model on x86 without VNNI answers differently by nature, unless its weights were made
    for such hosts: there a difference is a warning, everywhere else it is an error.
    """
    manifest = model.manifest
    if manifest.precision != "int8" or not host.saturates_int8 or _cannot_saturate(manifest):
        selftest(model)
        return []
    parent = manifest.quality.parent or "its fp32 parent"
    warnings = [
        "This CPU has no VNNI: int8 sums saturate at 16 bit and accuracy is lower than the "
        f"manifest says. Serve {parent}, or make an int8 model for this CPU: "
        f"featherbox-export quantize {manifest.quality.parent or 'PARENT'} --target x86-avx2."
    ]
    try:
        selftest(model)
    except SelfTestFailed as error:
        warnings.append(f"Self-test: {error.detail}")
    return warnings


def _cannot_saturate(manifest: Manifest) -> bool:
    """Tell whether a step scaled the weights so that two products fit into 16 bits."""
    kept_small = ("pairs_of_weights", "weight_bits")
    return any(name in step.settings for step in manifest.compression for name in kept_small)


def _read_checked(path: Path, manifest: Manifest) -> bytes:
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise UnsafeGraph(f"{path.name} is a link or no plain file; copy it instead.")
        data = path.read_bytes()
    except OSError as error:
        raise InvalidManifest(f"{path.name} cannot be read: {error.strerror}") from error
    facts = FileFacts(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    if facts != manifest.files[path.name]:
        raise HashMismatch(f"{path.name} differs from its size or sha256 in the manifest.")
    return data


def _read_labels(data: bytes, manifest: Manifest) -> tuple[str, ...]:
    try:
        labels = tuple(data.decode("utf-8").splitlines())
    except UnicodeDecodeError as error:
        raise InvalidManifest(f"{LABELS_FILE} is not UTF-8.") from error
    if len(labels) != manifest.classes:
        raise InvalidManifest(
            f"{LABELS_FILE} has {len(labels)} lines, the model {manifest.classes} classes."
        )
    return labels
