"""An artifact in memory, before it is published: its manifest and the bytes of its files."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from export_tools.errors import PublishError
from export_tools.installed import installed_version
from service.engine.artifact import load_artifact
from service.engine.decode import DecodeLimits
from service.engine.manifest import (
    LABELS_FILE,
    MEASURED_FILE,
    MODEL_FILE,
    PACKED_FILE,
    SELFTEST_FILE,
    FileFacts,
    InputPolicy,
    Manifest,
    ModelName,
    SelfTest,
)
from service.engine.pipeline import classify_image
from service.engine.session import Session, SessionOptions
from service.errors import GateFailed

UNTRAINED = "never trained"  # how a manifest's weights_source says it
_SURE = 0.5
_EXPORT_TOOLS = ("torch", "onnx", "onnxscript")
_QUANTIZE_TOOLS = ("onnxruntime", "scikit-image", "pillow", "numpy")


@dataclass(frozen=True, slots=True)
class Draft:
    """One version of one model.

    `measured` are this host's timings, outside of every hash. `archive` is what is written in place
    of `graph` if the model is packed.
    """

    manifest: Manifest
    graph: bytes
    labels: tuple[str, ...]
    selftest: bytes
    measured: Mapping[str, Any]
    archive: bytes | None = None

    @property
    def files(self) -> dict[str, bytes]:
        """The files that the manifest holds the hashes of."""
        return {
            **({PACKED_FILE: self.archive} if self.archive else {MODEL_FILE: self.graph}),
            LABELS_FILE: labels_bytes(self.labels),
            SELFTEST_FILE: self.selftest,
        }

    @property
    def untrained(self) -> bool:
        """Whether some of the weights were never trained, so that answers mean nothing."""
        return UNTRAINED in self.manifest.provenance.weights_source

    def with_version(self, version: int) -> "Draft":
        """Return the same artifact under another version."""
        return replace(self, manifest=self.manifest.model_copy(update={"version": version}))


def check_name(name: str) -> None:
    """Refuse a name that a model cannot have; a wrong one would be told only after the build.

    Raises:
        PublishError: says what a name may be.
    """
    try:
        TypeAdapter(ModelName).validate_python(name)
    except ValidationError:
        raise PublishError(
            f"{name!r} cannot name a model: lower-case letters, digits, '_', '-' and '.', "
            "64 at most, beginning with a letter or a digit."
        ) from None


def read_draft(version_folder: Path) -> Draft:
    """Read a published version back, after the engine's own checks.

    Raises:
        ArtifactError: it is not a sound artifact.
    """
    loaded = load_artifact(version_folder, SessionOptions())
    return Draft(
        manifest=loaded.manifest,
        graph=loaded.graph,
        labels=loaded.labels,
        selftest=loaded.selftest_image,
        measured=_read_measured(version_folder / MEASURED_FILE),
        archive=_read_archive(version_folder, loaded.manifest),
    )


def file_facts_of(files: Mapping[str, bytes]) -> dict[str, FileFacts]:
    """Return size and sha256 of files in memory, by name."""
    return {
        name: FileFacts(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
        for name, data in files.items()
    }


def labels_bytes(labels: tuple[str, ...]) -> bytes:
    """Return the content of labels.txt: a label a line, line number is the class index."""
    return "".join(f"{label}\n" for label in labels).encode("utf-8")


def expect_selftest(
    session: Session,
    policy: InputPolicy,
    labels: tuple[str, ...],
    photo: bytes,
    *,
    tolerance: float,
    must_be_sure: bool,
) -> SelfTest:
    """Classify the self-test photo and write down the answer as the one to expect.

    Raises:
        GateFailed: `must_be_sure` and the model is not.
    """
    answer = classify_image(photo, session, policy, labels, 1, DecodeLimits()).predictions[0]
    if must_be_sure and answer.probability <= _SURE:
        raise GateFailed(
            f"On its self-test photo the model answers {answer.label!r} with only "
            f"{answer.probability:.2f}: give one where it is sure."
        )
    return SelfTest(
        index=answer.index,
        label=answer.label,
        probability=round(answer.probability, 4),
        tolerance=tolerance,
    )


def tool_versions(*, quantized: bool) -> dict[str, str]:
    """Return the versions of the tools that an artifact's bytes depend on."""
    names = (*_EXPORT_TOOLS, *(_QUANTIZE_TOOLS if quantized else ()))
    return {name: installed_version(name) for name in names}


def _read_archive(version_folder: Path, manifest: Manifest) -> bytes | None:
    packed = manifest.graph_file == PACKED_FILE
    return (version_folder / PACKED_FILE).read_bytes() if packed else None


def _read_measured(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    content = json.loads(path.read_text("utf-8"))
    return content if isinstance(content, dict) else {}
