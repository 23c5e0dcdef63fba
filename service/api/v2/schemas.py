"""The bodies of the protocol, for reading requests and for /docs.

Names and shapes: Open Inference Protocol, "REST", and Triton's extensions of it.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from service.engine.session import INPUT_NAME, OUTPUT_NAME

LABEL_OUTPUT = "label"
INDEX_OUTPUT = "index"
OUTPUT_NAMES = (OUTPUT_NAME, LABEL_OUTPUT, INDEX_OUTPUT)

MOST_NAME_CHARACTERS = 256
_MOST_DIMENSIONS = 8

Name = Annotated[str, Field(max_length=MOST_NAME_CHARACTERS)]
Parameters = dict[str, Any]

_REQUEST: JsonDict = {
    "id": "42",
    "inputs": [{"name": INPUT_NAME, "datatype": "BYTES", "shape": [1], "data": ["/9j/4AAQ..."]}],
    "outputs": [{"name": OUTPUT_NAME, "parameters": {"classification": 3}}],
}
_RESPONSE: JsonDict = {
    "model_name": "squeezenet1_1-int8",
    "model_version": "1",
    "id": "42",
    "outputs": [
        {
            "name": OUTPUT_NAME,
            "datatype": "BYTES",
            "shape": [1, 1],
            "data": ["0.517219:285:Egyptian cat"],
        }
    ],
}


class Asked(BaseModel):
    """Base of what clients send: types are not converted, unknown members are left alone."""

    model_config = ConfigDict(strict=True, extra="ignore")


class AskedInput(Asked):
    """An input tensor; its data is in `data` or follows the JSON as bytes."""

    name: Name
    shape: list[int] = Field(min_length=1, max_length=_MOST_DIMENSIONS)
    datatype: Name
    parameters: Parameters = {}
    data: list[Any] | None = None


class AskedOutput(Asked):
    """An output that is wanted."""

    name: Name
    parameters: Parameters = {}


class InferenceRequest(Asked):
    """POST infer."""

    model_config = ConfigDict(json_schema_extra={"example": _REQUEST})

    id: Name | None = None
    parameters: Parameters = {}
    inputs: list[AskedInput] = Field(max_length=16)
    outputs: list[AskedOutput] = Field(default=[], max_length=16)


class IndexRequest(Asked):
    """POST repository/index."""

    ready: bool = False


class Answer(BaseModel):
    """Base of the answers."""

    model_config = ConfigDict(extra="forbid")


class ErrorAnswer(Answer):
    """Every error under /v2."""

    error: str


class ServerAnswer(Answer):
    """GET /v2."""

    name: str
    version: str
    extensions: list[str]


class ServerLiveAnswer(Answer):
    """GET /v2/health/live."""

    live: bool


class ServerReadyAnswer(Answer):
    """GET /v2/health/ready."""

    ready: bool


class ModelReadyAnswer(Answer):
    """GET /v2/models/{name}/ready."""

    name: str
    ready: bool


class TensorAnswer(Answer):
    """What a tensor looks like; -1 is any size."""

    name: str
    datatype: str
    shape: list[int]


class ModelAnswer(Answer):
    """GET /v2/models/{name}."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorAnswer]
    outputs: list[TensorAnswer]


class OutputAnswer(Answer):
    """One output; row-major `data`, or `binary_data_size` of the bytes after the JSON."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, int] | None = None
    data: list[float] | list[int] | list[str] | None = None


class InferenceAnswer(Answer):
    """The answer to POST infer."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _RESPONSE})

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputAnswer]


class ConfigInput(Answer):
    """An input in Triton's ModelConfig; the batch axis is not among `dims`."""

    name: str
    data_type: str
    dims: list[int]


class ConfigOutput(ConfigInput):
    """An output in Triton's ModelConfig."""

    label_filename: str


class ConfigAnswer(Answer):
    """GET /v2/models/{name}/config: what of Triton's ModelConfig has a meaning here."""

    name: str
    platform: str
    backend: str
    max_batch_size: int
    input: list[ConfigInput]
    output: list[ConfigOutput]


class IndexEntry(Answer):
    """One model of the repository."""

    name: str
    version: str
    state: Literal["READY", "LOADING", "UNAVAILABLE"]
    reason: str


class DurationAnswer(Answer):
    """How often, and how long in all."""

    count: int
    ns: int


class InferenceStats(Answer):
    """Durations since the start, each image counted by itself."""

    success: DurationAnswer
    fail: DurationAnswer = Field(description="requests that named the model and were refused")
    queue: DurationAnswer
    compute_input: DurationAnswer = Field(description="decode and preprocess")
    compute_infer: DurationAnswer
    compute_output: DurationAnswer


class MemoryAnswer(Answer):
    """Growth of the resident set while the model was loaded."""

    type: str
    id: int
    byte_size: int


class ModelStats(Answer):
    """Statistics of one model."""

    name: str
    version: str
    last_inference: int = Field(description="ms since 1970, 0 if there was none")
    inference_count: int
    execution_count: int
    inference_stats: InferenceStats
    memory_usage: list[MemoryAnswer]


class StatsAnswer(Answer):
    """GET stats."""

    model_stats: list[ModelStats]
