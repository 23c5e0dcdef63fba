"""What a request may want beyond one model's labels: `auto`, a second model, a word on doubt.

Only requests that ask for such things come through here.
"""

import time

from pydantic_core import to_json

from service.api.answers import image_text
from service.api.context import Context
from service.api.intake import Asked
from service.api.wishes import Wishes
from service.engine.artifact import LoadedModel
from service.engine.chooser import Candidate, Choice, Promise
from service.engine.pipeline import Classification, StageTimes
from service.engine.repository import ServedModel
from service.errors import InvalidParameter

_ADDED = ("decode", "preprocess", "inference", "postprocess")


def classify_with_wishes(
    context: Context,
    asked: Asked,
    wishes: Wishes,
    image: bytes | memoryview,
    received: float,
    alone: bool,
) -> tuple[Classification, dict[str, object]]:
    """Classify one image on a worker thread; return the result and further members of its answer.

    Args:
        context: the service.
        asked: what is wanted of which model; with `auto` this puts in the one chosen.
        wishes: what is wanted besides.
        image: the bytes of one image file.
        received: `time.perf_counter()` of the body's last byte.
        alone: no other image is in work.

    Raises:
        FeatherboxError: the image is none, a model failed, or a promise cannot be kept.
    """
    more: dict[str, object] = {}
    if wishes.promise is not None:
        result, choice = _choose(context, asked, wishes.promise, image, received, alone)
        more["auto"] = {"reason": choice.reason, "expected_ms": round(choice.expected_ms, 3)}
    else:
        result = asked.loaded.classify(image, asked.top_k, context.limits, alone)
    if wishes.min_confidence:
        more["unsure"] = result.predictions[0].probability < wishes.min_confidence
    if wishes.compare is not None:
        more["compare"] = _compare(context, wishes.compare, image, asked.top_k, result)
    return result, more


def _choose(
    context: Context,
    asked: Asked,
    promise: Promise,
    image: bytes | memoryview,
    received: float,
    alone: bool,
) -> tuple[Classification, Choice]:
    """Answer with the best model that keeps the promise, or with the fastest if that is sure."""

    default = asked.loaded

    def choose() -> Choice:
        waited_ms = asked.unread_ms + (time.perf_counter() - received) * 1e3
        return context.chooser.choose(default, promise, waited_ms)

    def classify(candidate: Candidate) -> Classification:
        return candidate.loaded.classify(image, asked.top_k, context.limits, alone)

    choice, first = choose(), None
    if context.settings.cascade_confidence and choice.alternative is not None:
        first = classify(choice.alternative)
        if first.predictions[0].probability >= context.settings.cascade_confidence:
            choice = Choice(choice.alternative, "sure enough", choice.expected_ms)
        else:
            choice = choose()
    asked.served, asked.loaded = choice.candidate.served, choice.candidate.loaded
    context.metrics.count_choice(asked.served.name, choice.reason)
    if first is None:
        return classify(choice.candidate), choice
    if choice.alternative is None:  # the fastest, which has answered
        return first, choice
    result = classify(choice.candidate)
    _add_times(result.times, first.times)
    return result, choice


def _add_times(times: StageTimes, spent: StageTimes) -> None:
    for stage in _ADDED:
        setattr(times, stage, getattr(times, stage) + getattr(spent, stage))


def _compare(
    context: Context,
    other: tuple[ServedModel, LoadedModel],
    image: bytes | memoryview,
    top_k: int,
    result: Classification,
) -> dict[str, object]:
    """Return what another model says of the same image, and how far the two are apart."""
    served, loaded = other
    started = time.perf_counter()
    second = loaded.classify(image, top_k, context.limits)
    second.times.total = (time.perf_counter() - started) * 1e3
    mine, theirs = result.predictions[0], second.predictions[0]
    return {
        "model": served.name,
        "version": str(served.version),
        "agree": mine.label == theirs.label,
        "probability_difference": round(theirs.probability - mine.probability, 6),
        "predictions": [
            {"label": p.label, "index": p.index, "probability": round(p.probability, 6)}
            for p in second.predictions
        ],
        "timings_ms": second.times.rounded(),
    }


def text_with(
    asked: Asked, result: Classification, more: dict[str, object], request_id: str
) -> bytes:
    """Return the JSON document of one image with further members."""
    head = to_json({"model": asked.served.name, "version": str(asked.served.version)})[:-1]
    tail = to_json({**more, "request_id": request_id})[1:]
    return b"%b,%b,%b" % (head, image_text(result).encode(), tail)


def model_of_batch(
    context: Context, asked: Asked, wishes: Wishes
) -> tuple[ServedModel, LoadedModel]:
    """Return the model for all images of a batch.

    Raises:
        InvalidParameter: something is wanted that only /classify does.
        Overloaded: no model can keep the promise now.
    """
    if wishes.compare is not None:
        raise InvalidParameter(compare="goes with /classify only")
    if wishes.promise is None:
        return asked.served, asked.loaded
    choice = context.chooser.choose(asked.loaded, wishes.promise, context.pool.wait_ms())
    context.metrics.count_choice(choice.candidate.served.name, choice.reason)
    return choice.candidate.served, choice.candidate.loaded
