"""A request body to the images in it: raw bytes, or the fields of a multipart form.

The form is parsed from memory (RFC 7578) so that uploads never touch a temporary folder, and on
a worker thread so that the event loop does not stall on a large one.
"""

from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.errors import (
    BodyTooLarge,
    EmptyBody,
    MalformedRequest,
    TooManyImages,
    UnsupportedMedia,
)

IMAGE_FIELD = "image"
_PLAIN_TYPES = frozenset({"image/jpeg", "image/png", "image/webp", "application/octet-stream"})
_MAX_OTHER_PARTS = 8
_MAX_NAME_CHARACTERS = 255
_HOW = (
    "send a multipart form with the field 'image' (curl -F image=@photo.jpg), or the bytes "
    "themselves with Content-Type: image/jpeg (curl -H 'Content-Type: image/jpeg' "
    "--data-binary @photo.jpg)"
)


@dataclass(slots=True)
class Upload:
    """One image as it was sent."""

    data: bytes
    filename: str | None


@dataclass(slots=True)
class _Part:
    headers: dict[str, bytes] = field(default_factory=dict)
    chunks: list[bytes] = field(default_factory=list)


def single_image(body: bytes, content_type: str) -> bytes:
    """Return the one image of a body.

    Raises:
        MalformedRequest, EmptyBody, TooManyImages, UnsupportedMedia: see `service.errors`.
    """
    if content_type in _PLAIN_TYPES:  # spares what reading a media type in full costs
        return body
    kind, options = _media_type(content_type)
    if kind == "multipart/form-data":
        images = _form_images(body, options, most=1)
        return images[0].data
    _check_raw(kind)
    return body


def several_images(body: bytes, content_type: str, most: int, most_bytes_each: int) -> list[Upload]:
    """Return the images of a multipart body, in order.

    Raises:
        MalformedRequest, EmptyBody, TooManyImages, UnsupportedMedia, BodyTooLarge.
    """
    kind, options = _media_type(content_type)
    if kind != "multipart/form-data":
        raise UnsupportedMedia(f"A batch is a form with several 'image' fields: {_HOW}.")
    images = _form_images(body, options, most)
    if any(len(image.data) > most_bytes_each for image in images):
        raise BodyTooLarge(f"An image has more than the {most_bytes_each} bytes allowed.")
    return images


def _media_type(content_type: str) -> tuple[str, dict[bytes, bytes]]:
    kind, options = parse_options_header(content_type)
    return kind.decode("latin-1").lower(), options


def _check_raw(kind: str) -> None:
    """Refuse content types that do not announce raw image bytes; none at all is accepted."""
    if kind in {"", "application/octet-stream"} or kind.startswith("image/"):
        return
    raise UnsupportedMedia(f"The content type {kind[:64]!r} is not accepted: {_HOW}.")


def _form_images(body: bytes, options: dict[bytes, bytes], most: int) -> list[Upload]:
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise MalformedRequest("The multipart body names no boundary in its Content-Type.")
    images: list[Upload] = []
    for part in _parse(body, boundary, most + _MAX_OTHER_PARTS):
        _, disposition = parse_options_header(part.headers.get("content-disposition", b""))
        if disposition.get(b"name") != IMAGE_FIELD.encode():
            continue
        if len(images) == most:
            raise TooManyImages(
                "There is more than one image: POST /classify/batch takes several."
                if most == 1
                else f"There are more than the {most} images allowed in one request."
            )
        name = disposition.get(b"filename")
        images.append(Upload(b"".join(part.chunks), _clean_name(name)))
    if not images:
        raise MalformedRequest(f"The form has no field 'image': {_HOW}.")
    if most == 1 and not images[0].data:
        raise EmptyBody("The field 'image' is empty: send the bytes of a photo.")
    return images


def _clean_name(name: bytes | None) -> str | None:
    if name is None:
        return None
    return name[: 4 * _MAX_NAME_CHARACTERS].decode("utf-8", "replace")[:_MAX_NAME_CHARACTERS]


def _parse(body: bytes, boundary: bytes, most_parts: int) -> list[_Part]:
    parts: list[_Part] = []
    name, value = bytearray(), bytearray()
    complete = False

    def on_part_begin() -> None:
        if len(parts) == most_parts:
            raise TooManyImages("The form has too many fields.")
        parts.append(_Part())

    def on_header_end() -> None:
        parts[-1].headers[name.decode("latin-1").lower()] = bytes(value)
        name.clear()
        value.clear()

    def on_end() -> None:
        nonlocal complete
        complete = True

    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": on_part_begin,
                "on_part_data": lambda data, a, b: parts[-1].chunks.append(data[a:b]),
                "on_header_field": lambda data, a, b: name.extend(data[a:b]),
                "on_header_value": lambda data, a, b: value.extend(data[a:b]),
                "on_header_end": on_header_end,
                "on_end": on_end,
            },
        )
        parser.write(body)
        parser.finalize()
    except FormParserError:
        raise MalformedRequest("The multipart form is damaged: check its framing.") from None
    if not complete:
        raise MalformedRequest("The multipart form is cut short: its closing boundary is missing.")
    return parts
