"""Answers before they are sent, and the text of a classification; no framework in it."""

from json.encoder import encode_basestring
from typing import NamedTuple

from service.engine.pipeline import Classification, StageTimes
from service.engine.repository import ServedModel

JSON_TYPE = "application/json"

# Formatting one template costs a third of building dictionaries and serialising them.
_PREDICTION = '{"label":%s,"index":%d,"probability":%.6f}'
_IMAGE = (
    '"predictions":[%s],"timings_ms":{"queue":%.3f,"decode":%.3f,"preprocess":%.3f,'
    '"inference":%.3f,"postprocess":%.3f,"total":%.3f}'
)
_SINGLE = '{"model":%s,"version":"%d",%s,"request_id":"%s"}'


class Answer(NamedTuple):
    """One whole answer. A request id and what the server adds to all answers come with sending."""

    status: int
    media_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Classified(NamedTuple):
    """The answer to one image, serialised on the worker thread, and what to account for."""

    body: bytes
    times: StageTimes


def single_text(served: ServedModel, result: Classification, request_id: str) -> str:
    """Return the JSON document of one classified image."""
    return _SINGLE % (
        encode_basestring(served.name), served.version, image_text(result), request_id,
    )  # fmt: skip


def image_text(result: Classification) -> str:
    """Return the members that one image has in an answer, without their braces."""
    times = result.times
    predictions = [
        _PREDICTION % (encode_basestring(found.label), found.index, found.probability)
        for found in result.predictions
    ]
    return _IMAGE % (
        ",".join(predictions),
        times.queue,
        times.decode,
        times.preprocess,
        times.inference,
        times.postprocess,
        times.total,
    )
