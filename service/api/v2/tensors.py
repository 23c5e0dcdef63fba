"""The data of an input tensor to planes or to encoded images, checked against what was announced.

JSON numbers become Python objects of many times their size, so a document is first held against
the most commas and brackets that the largest honest one has.
"""

import binascii
import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.engine.manifest import InputPolicy
from service.errors import BodyTooLarge, MalformedRequest

_PREFIX_BYTES = 4
_OTHER_MEMBERS = 256  # commas and brackets of a request beside its data, with room

Planes = NDArray[np.uint8]


def check_document_size(text: bytes, policy: InputPolicy, most_images: int) -> None:
    """Refuse a JSON document with more values or lists than `most_images` tensors have.

    Raises:
        MalformedRequest: says so.
    """
    values = most_images * 3 * policy.height * policy.width
    lists = most_images * (1 + 3 * (1 + policy.height))
    opened = text.count(b"[") + text.count(b"{")
    if text.count(b",") > values + _OTHER_MEMBERS or opened > lists + _OTHER_MEMBERS:
        raise MalformedRequest("The JSON has more values or lists than the largest request needs.")


def planes_from_bytes(data: memoryview, shape: Sequence[int]) -> Planes:
    """Return uint8 `shape` that lies where `data` lies.

    Raises:
        MalformedRequest: there are more or fewer bytes than the shape has.
    """
    expected = math.prod(shape)
    if len(data) != expected:
        raise MalformedRequest(
            f"The input has {len(data)} bytes of data, its shape needs {expected}."
        )
    return np.frombuffer(data, np.uint8).reshape(shape)


def planes_from_json(data: list[Any], shape: Sequence[int]) -> Planes:
    """Return uint8 `shape` of whole numbers, flat in row-major order or nested as the shape.

    Raises:
        MalformedRequest: their number, nesting, type or range is wrong.
    """
    flat = data
    if data and isinstance(data[0], list):
        for size in shape[1:]:
            if not all(isinstance(row, list) and len(row) == size for row in flat):
                raise MalformedRequest("The input's data is not nested as its shape says.")
            flat = list(chain.from_iterable(flat))
    if len(flat) != math.prod(shape):
        raise MalformedRequest(
            f"The input's data has {len(flat)} values, its shape needs {math.prod(shape)}."
        )
    if set(map(type, flat)) != {int}:
        raise MalformedRequest("The input's data holds something else than whole numbers.")
    try:
        return np.frombuffer(bytes(flat), np.uint8).reshape(shape)
    except ValueError:  # raised by bytes()
        raise MalformedRequest("A value of UINT8 data is not from 0 to 255.") from None


def images_from_bytes(data: memoryview, count: int, sized: bool) -> list[memoryview]:
    """Return encoded images: each after its length, or one that is all of `data`.

    Args:
        data: what follows the JSON.
        count: how many the shape announces.
        sized: whether the request said how many bytes belong to the input. Where it did not, a
            single image may come without its length.

    Raises:
        MalformedRequest: lengths and data do not fit together, or the count is another.
    """
    images = _after_lengths(data, count)
    if images is None and count == 1 and not sized:
        return [data]
    if images is None:
        raise MalformedRequest(
            f"The data is not {count} images, each after its length as 4 bytes, little-endian."
        )
    return images


def images_from_json(data: list[Any], count: int) -> list[bytes]:
    """Return encoded images that were sent as base64.

    Raises:
        MalformedRequest: an element is no base64, or the count is another.
    """
    flat = list(chain.from_iterable(x if isinstance(x, list) else (x,) for x in data))
    if len(flat) != count:
        raise MalformedRequest(f"The input has {len(flat)} images, its shape says {count}.")
    try:
        return [binascii.a2b_base64(text, strict_mode=True) for text in flat]
    except (ValueError, TypeError):
        raise MalformedRequest(
            "BYTES in JSON are base64 of an image file; the binary extension needs no base64."
        ) from None


def check_image_sizes(images: Sequence[bytes | memoryview], most_bytes: int) -> None:
    """Refuse an image of more than `most_bytes`.

    Raises:
        BodyTooLarge: says so.
    """
    if any(len(image) > most_bytes for image in images):
        raise BodyTooLarge(f"An image has more than the {most_bytes} bytes allowed.")


def _after_lengths(data: memoryview, count: int) -> list[memoryview] | None:
    """Return `count` elements that are all of `data`, or None."""
    found = []
    at = 0
    for _ in range(count):
        start = at + _PREFIX_BYTES
        at = start + int.from_bytes(data[at:start], "little")
        if start > len(data) or at > len(data):
            return None
        found.append(data[start:at])
    return found if at == len(data) else None
