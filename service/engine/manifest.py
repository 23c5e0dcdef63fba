"""The manifest: everything that the server knows about a model, as one validated document.

It lies beside the graph as `manifest.json` and holds reproducible facts only. A fact that
nobody measured is null. Timings are in `measured.json`, outside every hash and comparison.
"""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.errors import InvalidManifest

MODEL_FILE = "model.onnx"
PACKED_FILE = "model.fbz"  # in place of it: the same file with coded weights
LABELS_FILE = "labels.txt"
SELFTEST_FILE = "selftest.jpg"
MANIFEST_FILE = "manifest.json"
MEASURED_FILE = "measured.json"
CONFIG_FILE = "config.pbtxt"
HASHED_FILES = (MODEL_FILE, LABELS_FILE, SELFTEST_FILE)

Precision = Literal["fp32", "fp16", "int8"]
Interpolation = Literal["bilinear", "hamming", "bicubic"]  # filters as Pillow names them
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
ModelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Facts(BaseModel):
    """Base of the manifest's parts: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FileFacts(Facts):
    """One file of the artifact."""

    bytes: int = Field(ge=0)
    sha256: Sha256


class InputPolicy(Facts):
    """How a photo becomes the graph's input: resize, then a centre crop, done in one pass."""

    height: int = Field(ge=1, le=1024, description="rows of the crop, px")
    width: int = Field(ge=1, le=1024, description="columns of the crop, px")
    resize_shorter: int = Field(ge=1, le=2048, description="the shorter side before the crop, px")
    interpolation: Interpolation = "bicubic"

    @model_validator(mode="after")
    def _crop_fits(self) -> "InputPolicy":
        if self.resize_shorter < max(self.height, self.width):
            raise ValueError("resize_shorter is smaller than the crop")
        return self


class PublishedAccuracy(Facts):
    """Accuracy that somebody else published for these weights."""

    top1: Fraction | None = None
    top5: Fraction | None = None
    source: str


class Quality(Facts):
    """What was measured of the answers; all fractions of `images` or the count beside them."""

    dataset: str | None = None
    images: int | None = None
    top1: Fraction | None = None
    top5: Fraction | None = None
    parent: str | None = Field(default=None, description="the fp32 model it is compared with")
    agreement: Fraction | None = Field(default=None, description="top-1 equal to the parent's")
    agreement_images: int | None = None
    agreement_sure: Fraction | None = Field(
        default=None, description="the same where the parent's probability is above 0.5"
    )
    agreement_sure_images: int | None = None
    published: PublishedAccuracy | None = None


class CompressionStep(Facts):
    """One step from the trained weights to this file, with its settings."""

    step: str
    settings: dict[str, str | int | float | bool | None] = {}


class Provenance(Facts):
    """Where the weights come from and how to make the file again."""

    weights_source: str
    weights_sha256: Sha256 | None = None
    licence: str | None = None
    tools: dict[str, str] = {}
    command: str | None = Field(default=None, description="rebuilds this artifact")


class SelfTest(Facts):
    """What the model must answer on `selftest.jpg`, a photo where the fp32 model is sure."""

    index: int = Field(ge=0)
    label: str
    probability: Fraction
    tolerance: Fraction = Field(description="largest allowed difference of the probability")


class Manifest(Facts):
    """One version of one model."""

    schema_version: Literal[1] = 1
    name: ModelName
    version: int = Field(ge=1)
    architecture: str
    variant: dict[str, str | int | float | bool] = {}
    precision: Precision
    parameters: int | None = Field(default=None, ge=0)
    macs: int | None = Field(default=None, ge=0, description="multiply-accumulates, batch 1")
    classes: int = Field(ge=1)
    file_bytes: int = Field(ge=1, description="of model.onnx or model.fbz")
    files: dict[str, FileFacts]
    input: InputPolicy
    quality: Quality = Quality()
    compression: list[CompressionStep] = []
    provenance: Provenance
    selftest: SelfTest

    @model_validator(mode="after")
    def _is_consistent(self) -> "Manifest":
        missing = [name for name in self.hashed_files if name not in self.files]
        if missing:
            raise ValueError(f"files lacks {', '.join(missing)}")
        if PACKED_FILE in self.files and MODEL_FILE in self.files:
            raise ValueError(f"files has both {MODEL_FILE} and {PACKED_FILE}")
        if self.files[self.graph_file].bytes != self.file_bytes:
            raise ValueError(f"file_bytes differs from files[{self.graph_file!r}].bytes")
        if self.selftest.index >= self.classes:
            raise ValueError("selftest.index is outside the classes")
        return self

    @property
    def graph_file(self) -> str:
        """The name of the file that holds the graph: model.onnx, or model.fbz of a packed one."""
        return PACKED_FILE if PACKED_FILE in self.files else MODEL_FILE

    @property
    def hashed_files(self) -> tuple[str, ...]:
        """The names of the files that are read, each compared with its hash."""
        return (self.graph_file, LABELS_FILE, SELFTEST_FILE)

    def to_json(self) -> str:
        """Return the document as it is written to disk: sorted, indented, newline at the end."""
        document = self.model_dump(mode="json")
        return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def read_manifest(version_folder: Path) -> Manifest:
    """Read and validate `manifest.json` of one version folder.

    Raises:
        InvalidManifest: it is missing, no JSON, or breaks the schema (the fields are named).
    """
    path = version_folder / MANIFEST_FILE
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InvalidManifest(f"{MANIFEST_FILE} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        fields = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'document'}: {e['msg']}" for e in error.errors()[:5]
        )
        raise InvalidManifest(f"{MANIFEST_FILE} is not valid: {fields}") from error


def file_facts(path: Path) -> FileFacts:
    """Return size and sha256 of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    return FileFacts(bytes=path.stat().st_size, sha256=digest.hexdigest())
