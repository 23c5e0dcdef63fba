"""What a request may want besides one model's labels, checked against what is served."""

import math
from dataclasses import dataclass

from service.api.context import Context
from service.api.parameters import ClassifyParameters
from service.engine.artifact import LoadedModel
from service.engine.chooser import Promise
from service.engine.repository import ServedModel
from service.errors import InvalidParameter

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is wanted besides; None and 0 want nothing.

    `longest_wait_ms` is for how long a promise lets the image wait for a thread.
    """

    promise: Promise | None = None
    longest_wait_ms: float = math.inf
    compare: tuple[ServedModel, LoadedModel] | None = None
    min_confidence: float = 0.0


def read_wishes(context: Context, asked: ClassifyParameters, default: LoadedModel) -> Wishes | None:
    """Return what a request wants besides, or None, which is nearly always.

    Args:
        context: the service.
        asked: its parameters.
        default: the model whose labels `auto` keeps to.

    Raises:
        InvalidParameter: parameters that mean nothing together, or a promise that nothing keeps.
        ModelNotFound, NotReady, ModelFailed: of the model to compare with.
        Overloaded: the promise cannot be kept now.
    """
    settings = context.settings
    confidence = settings.min_confidence if asked.min_confidence is None else asked.min_confidence
    automatic = asked.model == AUTO
    if not automatic:
        only = {"max_latency_ms": asked.max_latency_ms, "min_accuracy": asked.min_accuracy}
        given = [name for name, value in only.items() if value is not None]
        if given:
            raise InvalidParameter(**dict.fromkeys(given, "goes with model=auto only"))
        if asked.compare is None and not confidence:
            return None
    promise = compare = None
    longest_ms = math.inf
    if automatic:
        promise = Promise(asked.max_latency_ms or settings.auto_latency_ms, asked.min_accuracy)
        longest_ms = context.chooser.admit(default, promise)
    if asked.compare is not None:
        other = context.repository.find(asked.compare)
        compare = other, other.require()
    return Wishes(promise, longest_ms, compare, confidence)
