"""The body of POST infer to what is asked: images or planes in, outputs and their form out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import from_json

from service.api.v2.schemas import (
    OUTPUT_NAMES,
    Asked,
    AskedInput,
    AskedOutput,
    InferenceRequest,
    Parameters,
)
from service.api.v2.tensors import (
    Planes,
    check_document_size,
    check_image_sizes,
    images_from_bytes,
    images_from_json,
    planes_from_bytes,
    planes_from_json,
)
from service.engine.manifest import Manifest
from service.engine.session import INPUT_NAME, OUTPUT_NAME
from service.errors import MalformedRequest, TooManyImages

_MAX_DIGITS = 12
_SHARED_MEMORY = "shared_memory_region"

Model = TypeVar("Model", bound=Asked)


@dataclass(frozen=True, slots=True)
class InferenceLimits:
    """Bounds of one request."""

    images: int
    image_bytes: int
    json_bytes: int


@dataclass(frozen=True, slots=True)
class WantedOutput:
    """An output by name; `best` labels as strings if above 0, otherwise the tensor."""

    name: str
    binary: bool
    best: int = 0


@dataclass(frozen=True, slots=True)
class Inputs:
    """Either encoded images, or planes of [images, 3, height, width]."""

    images: Sequence[bytes | memoryview] = ()
    planes: Planes | None = None

    def __len__(self) -> int:
        return len(self.images) if self.planes is None else len(self.planes)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request as it is carried out; `timeout_s` is the client's own, from the last byte."""

    inputs: Inputs
    outputs: list[WantedOutput]
    id: str | None = None
    timeout_s: float | None = None


def read_request(
    body: bytes, json_length: bytes | None, manifest: Manifest, limits: InferenceLimits
) -> Wanted:
    """Read a request.

    Args:
        body: JSON, then binary tensors.
        json_length: value of Inference-Header-Content-Length, if it was sent.
        manifest: of the model that was asked.
        limits: bounds; a body beyond them is refused before it is parsed.

    Raises:
        MalformedRequest: what of it is not as the protocol or the model says.
        TooManyImages, BodyTooLarge: it is.
    """
    split = len(body) if json_length is None else _json_length(json_length, len(body))
    rest = memoryview(body)[split:]
    if json_length is not None and split == 0:  # the protocol's raw request: one tensor, no JSON
        size = manifest.input
        planes = planes_from_bytes(rest, (1, 3, size.height, size.width))
        return Wanted(Inputs(planes=planes), [WantedOutput(name, True) for name in OUTPUT_NAMES])
    if split > limits.json_bytes:
        raise MalformedRequest(f"The JSON has more than the {limits.json_bytes} bytes allowed.")
    text = body[:split]
    check_document_size(text, manifest.input, limits.images)
    asked = read_document(text, InferenceRequest)
    return Wanted(
        _inputs(asked.inputs, rest, manifest, limits),
        _outputs(asked, manifest.classes),
        asked.id,
        _timeout_s(asked.parameters),
    )


def read_document(text: bytes, kind: type[Model]) -> Model:
    """Read JSON that must be of a kind.

    Raises:
        MalformedRequest: it is no JSON, or names the members that are wrong.
    """
    try:
        document = from_json(text, allow_inf_nan=False)
    except ValueError:
        raise MalformedRequest(
            "The body is no JSON; with binary data after it, Inference-Header-Content-Length "
            "says where it ends."
        ) from None
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        # places are names of our own members and positions, never a client's words
        found = (
            f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors()[:4]
        )
        raise MalformedRequest(
            f"The request is not as the protocol says: {'; '.join(found)}."
        ) from None


def _json_length(header: bytes, body_bytes: int) -> int:
    if not (header.isdigit() and len(header) <= _MAX_DIGITS and int(header) <= body_bytes):
        raise MalformedRequest(
            f"Inference-Header-Content-Length must be from 0 to {body_bytes}, the body's length."
        )
    return int(header)


def _inputs(
    asked: list[AskedInput], rest: memoryview, manifest: Manifest, limits: InferenceLimits
) -> Inputs:
    if len(asked) != 1 or asked[0].name != INPUT_NAME:
        raise MalformedRequest(f"The model has one input, {INPUT_NAME!r}: send just that.")
    tensor = asked[0]
    data = _binary_part(tensor, rest)
    if tensor.datatype == "UINT8":
        shape = _planes_shape(tensor.shape, manifest, limits.images)
        if tensor.data is None:
            return Inputs(planes=planes_from_bytes(data, shape))
        return Inputs(planes=planes_from_json(tensor.data, shape))
    if tensor.datatype == "BYTES":
        count = _image_count(tensor.shape, limits.images)
        images: Sequence[bytes | memoryview]
        if tensor.data is None:
            images = images_from_bytes(data, count, "binary_data_size" in tensor.parameters)
        else:
            images = images_from_json(tensor.data, count)
        check_image_sizes(images, limits.image_bytes)
        return Inputs(images=images)
    raise MalformedRequest(
        "The input's datatype must be UINT8 for a tensor or BYTES for encoded images."
    )


def _binary_part(tensor: AskedInput, rest: memoryview) -> memoryview:
    """Return the bytes after the JSON, which must all belong to the one input."""
    if _SHARED_MEMORY in tensor.parameters:
        raise MalformedRequest("Shared memory is not supported: send the data in the body.")
    size = tensor.parameters.get("binary_data_size")
    if tensor.data is not None:
        if size is not None or len(rest):
            raise MalformedRequest("The input has data in the JSON and after it: send one.")
        return rest
    if size is None:
        if not len(rest):
            raise MalformedRequest("The input has no data.")
        return rest
    if type(size) is not int or size != len(rest):
        raise MalformedRequest(
            f"binary_data_size must be {len(rest)}, the number of bytes after the JSON."
        )
    return rest


def _planes_shape(shape: list[int], manifest: Manifest, most: int) -> list[int]:
    size = manifest.input
    if len(shape) != 4 or shape[1:] != [3, size.height, size.width] or shape[0] < 1:
        raise MalformedRequest(
            f"The input's shape must be [images, 3, {size.height}, {size.width}]."
        )
    _check_count(shape[0], most)
    return shape


def _image_count(shape: list[int], most: int) -> int:
    if shape[0] < 1 or any(size != 1 for size in shape[1:]):
        raise MalformedRequest("The shape of encoded images must be [images].")
    _check_count(shape[0], most)
    return shape[0]


def _check_count(images: int, most: int) -> None:
    if images > most:
        raise TooManyImages(f"There are more than the {most} images allowed in one request.")


def _outputs(asked: InferenceRequest, classes: int) -> list[WantedOutput]:
    binary = _flag(asked.parameters, "binary_data_output", False)
    if not asked.outputs:
        return [WantedOutput(name, binary) for name in OUTPUT_NAMES]
    names = [output.name for output in asked.outputs]
    if len(set(names)) != len(names) or not set(names) <= set(OUTPUT_NAMES):
        raise MalformedRequest(f"Outputs are {', '.join(OUTPUT_NAMES)}, each once at most.")
    return [_output(output, binary, classes) for output in asked.outputs]


def _output(asked: AskedOutput, binary: bool, classes: int) -> WantedOutput:
    if _SHARED_MEMORY in asked.parameters:
        raise MalformedRequest("Shared memory is not supported: take the data from the body.")
    binary = _flag(asked.parameters, "binary_data", binary)
    best = asked.parameters.get("classification")
    if best is None:
        return WantedOutput(asked.name, binary)
    if type(best) is not int or best < 1 or asked.name != OUTPUT_NAME:
        raise MalformedRequest(
            f"classification is a whole number, 1 or more, and only of {OUTPUT_NAME!r}."
        )
    return WantedOutput(asked.name, binary, min(best, classes))


def _flag(parameters: Parameters, name: str, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise MalformedRequest(f"{name} must be true or false.")
    return value


def _timeout_s(parameters: Parameters) -> float | None:
    """Return the parameter `timeout`, which is in microseconds; 0 is none."""
    value = parameters.get("timeout", 0)
    if type(value) is not int or not 0 <= value < 10**_MAX_DIGITS:
        raise MalformedRequest("timeout must be a whole number of microseconds.")
    return value / 1e6 if value else None
