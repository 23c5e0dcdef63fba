"""Real artifacts in a temporary model repository, made without the exporter."""

import json
from pathlib import Path
from typing import Any

import onnx

from benchmarks.reliability.files.graphs import HEIGHT, LABELS, WIDTH, colour_graph
from benchmarks.reliability.files.images import photo
from service.engine.manifest import (
    HASHED_FILES,
    LABELS_FILE,
    MANIFEST_FILE,
    MODEL_FILE,
    SELFTEST_FILE,
    InputPolicy,
    Manifest,
    Precision,
    Provenance,
    Quality,
    SelfTest,
    file_facts,
)

POLICY = InputPolicy(height=HEIGHT, width=WIDTH, resize_shorter=36)
RED = SelfTest(index=0, label="red", probability=0.984, tolerance=0.01)


def write_artifact(
    repository: Path,
    name: str = "colours",
    version: int = 1,
    *,
    graph: onnx.ModelProto | None = None,
    labels: tuple[str, ...] = LABELS,
    precision: Precision = "fp32",
    selftest: SelfTest = RED,
) -> Path:
    """Write a whole, consistent artifact and return its version folder."""
    folder = repository / name / str(version)
    folder.mkdir(parents=True)
    model = (graph or colour_graph()).SerializeToString(deterministic=True)
    (folder / MODEL_FILE).write_bytes(model)
    (folder / LABELS_FILE).write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")
    (folder / SELFTEST_FILE).write_bytes(photo("red", "JPEG"))
    manifest = Manifest(
        name=name,
        version=version,
        architecture="colours",
        precision=precision,
        parameters=1,
        macs=3 * HEIGHT * WIDTH,
        classes=len(labels),
        file_bytes=len(model),
        files={file: file_facts(folder / file) for file in HASHED_FILES},
        input=POLICY,
        quality=Quality(agreement=0.97, agreement_images=180),
        provenance=Provenance(weights_source="made for tests", licence="MIT"),
        selftest=selftest,
    )
    (folder / MANIFEST_FILE).write_text(manifest.to_json(), encoding="utf-8")
    return folder


def edit_manifest(folder: Path, **changes: Any) -> None:
    """Replace top-level members of a written manifest, valid or not."""
    path = folder / MANIFEST_FILE
    document = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps(document), encoding="utf-8")


def seal(folder: Path) -> None:
    """Bring the hashes of a manifest up to date with the files beside it."""
    facts = {file: file_facts(folder / file) for file in HASHED_FILES}
    edit_manifest(
        folder,
        files={name: fact.model_dump() for name, fact in facts.items()},
        file_bytes=facts[MODEL_FILE].bytes,
    )
