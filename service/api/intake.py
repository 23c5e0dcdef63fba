"""What is decided of an image request from its head alone, before its body is read."""

import time
from dataclasses import dataclass

from service.api.context import Context
from service.api.parameters import ClassifyParameters, read_parameters
from service.api.record import RequestRecord
from service.api.wishes import AUTO, Wishes, read_wishes
from service.engine.artifact import LoadedModel
from service.engine.repository import ServedModel
from service.errors import BodyTooLarge, InvalidParameter, UnsupportedMedia

_DEFAULT_TOP_K = 5


@dataclass(slots=True)
class Asked:
    """What a request wants of which model, and the `time.monotonic()` by which it wants it.

    `unread_ms` is how long it waited to be read, which the clocks of its stages do not show.
    """

    served: ServedModel
    loaded: LoadedModel
    top_k: int
    deadline: float
    hurried: bool  # its deadline is its own, not the service's
    wishes: Wishes | None = None
    unread_ms: float = 0.0


def take_in(
    context: Context,
    record: RequestRecord,
    query: bytes,
    most_bytes: int,
    model: str | None = None,
) -> Asked:
    """Decide whether a request is answered at all; nothing of its body is needed.

    Args:
        context: the service.
        record: the request, with its headers.
        query: the query string as it was sent.
        most_bytes: of its body.
        model: the one that its path names, if that does.

    Raises:
        FeatherboxError: what a guard says; a parameter, the model, the announced body or the room
            for it is not as it should be.
    """
    for guard in context.guards:
        guard(record)
    parameters = read_parameters(record.headers, query)
    settings = context.settings
    name = parameters.model if parameters.model != AUTO else None
    served = context.repository.find(model or name or settings.default_model)
    record.model = served.name
    loaded = served.require()
    top_k = _top_k(parameters, loaded)
    hurried = (parameters.timeout_ms or settings.request_timeout_ms) < settings.request_timeout_ms
    allowed_ms = parameters.timeout_ms if hurried else None
    deadline = time.monotonic() + (allowed_ms or settings.request_timeout_ms) / 1e3
    context.pool.check_room(served.name)
    check_body_headers(record, most_bytes)
    context.bodies.check(record.headers.get(b"content-length", b""))
    wishes = None if model else read_wishes(context, parameters, loaded)
    return Asked(served, loaded, top_k, deadline, hurried, wishes)


def check_body_headers(record: RequestRecord, most_bytes: int) -> None:
    """Refuse a body for what is said of it.

    Raises:
        UnsupportedMedia: it is compressed.
        BodyTooLarge: its length is announced and more than `most_bytes`.
    """
    encoding = record.headers.get(b"content-encoding")
    if encoding is not None and encoding.strip().lower() not in {b"identity", b""}:
        raise UnsupportedMedia("Encoded bodies are not accepted: send it without Content-Encoding.")
    announced = record.headers.get(b"content-length", b"")
    if announced.isdigit() and int(announced) > most_bytes:
        raise too_large(most_bytes)


def too_large(most_bytes: int) -> BodyTooLarge:
    """Return the error of a body that is larger than allowed."""
    return BodyTooLarge(f"The body has more than the {most_bytes} bytes allowed.")


def _top_k(asked: ClassifyParameters, loaded: LoadedModel) -> int:
    """Return how many labels to answer."""
    classes = loaded.manifest.classes
    if asked.top_k is None:
        return min(_DEFAULT_TOP_K, classes)
    if asked.top_k > classes:
        raise InvalidParameter(
            top_k=f"must be at most {classes}, the number of the model's classes"
        )
    return asked.top_k
