"""The bodies of the API, for validation in tests and for /docs."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Milliseconds = Annotated[float, Field(ge=0.0)]

_PREDICTION: JsonDict = {"label": "Egyptian cat", "index": 285, "probability": 0.62}
_TIMINGS: JsonDict = {
    "queue": 0.02, "decode": 1.1, "preprocess": 0.8, "inference": 1.6, "postprocess": 0.05,
    "total": 3.6,
}  # fmt: skip
_REQUEST_ID = "01KAMP2Q6Z9S8T1V4X7Y0B3D5F"


class Body(BaseModel):
    """Base of the bodies."""

    model_config = ConfigDict(extra="forbid")


class PredictionBody(Body):
    """One label."""

    label: str
    index: int = Field(description="index of the class, from 0")
    probability: Probability


class TimingsBody(Body):
    """Milliseconds by stage. `total` runs from the last byte of the body to the answer."""

    queue: Milliseconds = Field(description="all waiting")
    decode: Milliseconds
    preprocess: Milliseconds
    inference: Milliseconds
    postprocess: Milliseconds
    total: Milliseconds


class ClassifyBody(Body):
    """The answer to one image."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "model": "squeezenet1_1-int8",
                "version": "1",
                "predictions": [_PREDICTION],
                "timings_ms": _TIMINGS,
                "request_id": _REQUEST_ID,
            }
        },
    )

    model: str
    version: str
    predictions: list[PredictionBody]
    timings_ms: TimingsBody
    request_id: str


class ErrorBody(Body):
    """Why one image of a batch has no answer."""

    code: str
    detail: str


class BatchResultBody(Body):
    """The answer to one image of a batch: predictions, or an error."""

    filename: str | None
    predictions: list[PredictionBody] | None = None
    timings_ms: TimingsBody | None = None
    error: ErrorBody | None = None


class BatchBody(Body):
    """The answers to a batch, in the order of the images."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "model": "squeezenet1_1-int8",
                "version": "1",
                "request_id": _REQUEST_ID,
                "results": [
                    {"filename": "a.jpg", "predictions": [_PREDICTION], "timings_ms": _TIMINGS},
                    {
                        "filename": "b.txt",
                        "error": {
                            "code": "unsupported_media_type",
                            "detail": "The bytes are no image of an accepted format: "
                            "JPEG, PNG, WebP, GIF or BMP.",
                        },
                    },
                ],
            }
        },
    )

    model: str
    version: str
    request_id: str
    results: list[BatchResultBody]


class ParameterErrorBody(Body):
    """One parameter that is out of its range."""

    parameter: str
    detail: str


class ProblemBody(Body):
    """A problem document, RFC 9457."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "type": "about:blank",
                "title": "Not Found",
                "status": 404,
                "code": "model_not_found",
                "detail": "There is no such model: GET /models lists them.",
                "request_id": _REQUEST_ID,
            }
        },
    )

    type: str
    title: str
    status: int
    code: str = Field(description="stable, for programs")
    detail: str = Field(description="one sentence, for people")
    request_id: str
    errors: list[ParameterErrorBody] | None = None


class HostBody(Body):
    """The box."""

    cpu: str
    isa: list[str] = Field(description="instruction sets that matter for inference")
    cpus: float = Field(description="CPUs this process may use: affinity and cgroup quota")
    onnxruntime: str


class InputBody(Body):
    """Size of the graph's input, px."""

    height: int
    width: int


class ProviderBody(Body):
    """Execution providers."""

    requested: list[str]
    in_use: str | None


class QualityBody(Body):
    """Measured and published quality; null where nobody measured."""

    dataset: str | None
    images: int | None
    top1: Probability | None
    top5: Probability | None
    parent: str | None
    agreement: Probability | None
    agreement_images: int | None
    agreement_sure: Probability | None
    agreement_sure_images: int | None
    published_top1: Probability | None
    published_top5: Probability | None
    published_source: str | None


class PercentilesBody(Body):
    """Percentiles, ms."""

    p50: Milliseconds
    p90: Milliseconds
    p99: Milliseconds


class ModelLatencyBody(Body):
    """Latency of a model over the window; the percentiles are null before the first request."""

    count: int
    inference: PercentilesBody | None
    total: PercentilesBody | None


class BenchmarkBody(Body):
    """Inference alone on this box: `batch1_ms` from the start, the rest once it was idle."""

    batch1_ms: Milliseconds = Field(description="median of one image on one thread")
    batch1_p95_ms: Milliseconds | None = Field(None, description="its 95th percentile")
    batch1_all_threads_ms: Milliseconds | None = Field(
        None, description="median of one image that has all CPUs"
    )
    batch8_ms: Milliseconds | None = Field(None, description="median of eight images at once")
    images_per_second: float | None = Field(description="all worker threads at work")
    threads: int | None = Field(None, description="worker threads of images_per_second")


class RefusedBody(Body):
    """A version in the model repository that failed a check, so that another one serves."""

    version: str
    reason: str


class ModelBody(Body):
    """One model: facts of its manifest, and what was measured on this box."""

    name: str
    version: str
    state: str = Field(description="loading, ready or failed")
    reason: str | None = Field(description="why it failed")
    refused: list[RefusedBody] = Field(description="versions that cannot serve, and why")
    architecture: str | None
    variant: dict[str, str | int | float | bool] | None
    precision: str | None
    parameters: int | None
    macs: int | None
    file_bytes: int | None
    sha256: str | None
    classes: int | None
    input: InputBody | None
    provider: ProviderBody
    quality: QualityBody | None
    licence: str | None
    weights_source: str | None
    load_ms: Milliseconds | None
    memory_bytes: int | None
    latency_ms: ModelLatencyBody
    benchmark: BenchmarkBody | None
    warnings: list[str]


class ModelsBody(Body):
    """All models."""

    default: str
    host: HostBody
    models: list[ModelBody]


class StageLatencyBody(Body):
    """Latency of one model by stage, ms; empty stages before the first request."""

    count: int
    queue: PercentilesBody | None = None
    decode: PercentilesBody | None = None
    preprocess: PercentilesBody | None = None
    inference: PercentilesBody | None = None
    postprocess: PercentilesBody | None = None
    total: PercentilesBody | None = None


class LatencyBody(Body):
    """Latency by model and stage over a sliding window."""

    window_seconds: float
    models: dict[str, StageLatencyBody]


class LiveBody(Body):
    """The process answers."""

    live: bool


class ReadyBody(Body):
    """Whether every required model can run now."""

    ready: bool
    models: dict[str, str] = Field(description="state of each required model")
