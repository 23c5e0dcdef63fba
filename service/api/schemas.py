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
    auto: "AutoBody | None" = Field(None, description="only with model=auto")
    unsure: bool | None = Field(None, description="only where a confidence is asked for")
    compare: "CompareBody | None" = Field(None, description="only with compare")


class AutoBody(Body):
    """Why `model=auto` chose the model that answered."""

    reason: str = Field(
        description="most accurate, most accurate in time, fastest, or sure enough (a cascade)"
    )
    expected_ms: Milliseconds = Field(description="what `total` was expected to be")


class CompareBody(Body):
    """What a second model says of the same image."""

    model: str
    version: str
    agree: bool = Field(description="both have the same best label")
    probability_difference: float = Field(description="of the best labels, second minus first")
    predictions: list[PredictionBody]
    timings_ms: TimingsBody


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


class LiveBody(Body):
    """The process answers."""

    live: bool


class ReadyBody(Body):
    """Whether every required model can run now."""

    ready: bool
    models: dict[str, str] = Field(description="state of each required model")
