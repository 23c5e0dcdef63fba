"""Read somebody else's ONNX file, and say what it is or why it cannot be taken."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx
import onnx.inliner
from onnx import ModelProto, TensorProto, ValueInfoProto

from export_tools.errors import ExportError
from service.engine.graph_scan import check_graph

Layout = Literal["NCHW", "NHWC"]
_NUMPY: dict[int, type[np.generic]] = {
    TensorProto.FLOAT: np.float32,
    TensorProto.FLOAT16: np.float16,
    TensorProto.DOUBLE: np.float64,
    TensorProto.UINT8: np.uint8,
}
_ANSWERS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """What the net wants of an RGB image of grey levels 0 to 255.

    That is (x * value_range / 255 - mean) / std by channel, in the order of `channels`.
    """

    layout: Layout = "NCHW"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    value_range: Literal[1, 255] = 255
    channels: Literal["RGB", "BGR"] = "RGB"

    @property
    def is_identity(self) -> bool:
        """Whether grey levels are taken as they are."""
        return (self.mean, self.std, self.value_range) == ((0.0,) * 3, (1.0,) * 3, 255)


@dataclass(frozen=True, slots=True)
class Original:
    """A graph with one image in and one answer out.

    `batch` is None where it is free, `height` and `width` where they are; `element` is the type of
    the input, an ONNX number.
    """

    model: ModelProto
    input: str
    element: int
    batch: int | None
    height: int | None
    width: int | None
    output: str

    @property
    def dtype(self) -> type[np.generic]:
        """The numpy type of the input."""
        return _NUMPY[self.element]


def read_original(data: bytes, preprocessing: Preprocessing, output: str | None) -> Original:
    """Read a serialised model.

    Args:
        data: the file's bytes.
        preprocessing: what the user says of its input.
        output: which output to take; None where there is only one.

    Raises:
        ExportError: it is no classifier that can be taken; the text says why.
        UnsafeGraph: external data or custom operators.
    """
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # the parser has errors of its own
        raise ExportError("The file is not an ONNX model.") from error
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    check_graph(model.SerializeToString())
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise ExportError(f"It has {len(inputs)} inputs ({names}); a classifier has one image in.")
    batch, height, width = _check_image(inputs[0], preprocessing)
    return Original(
        model=_without_constant_inputs(model, inputs[0]),
        input=inputs[0].name,
        element=inputs[0].type.tensor_type.elem_type,
        batch=batch,
        height=height,
        width=width,
        output=_choose_output(model, output),
    )


def _check_image(
    value: ValueInfoProto, preprocessing: Preprocessing
) -> tuple[int | None, int | None, int | None]:
    """Return batch, height and width, each None where it is free."""
    tensor = value.type.tensor_type
    element = tensor.elem_type
    if element not in _NUMPY:
        raise ExportError(
            f"Its input is {TensorProto.DataType.Name(element).lower()}; "
            "images can be given as float or as uint8."
        )
    if element == TensorProto.UINT8 and not preprocessing.is_identity:
        raise ExportError("Its input is uint8, so it normalises by itself: leave out mean and std.")
    dims = [dim.dim_value or None for dim in tensor.shape.dim]
    if len(dims) != 4:
        raise ExportError(f"Its input has {len(dims)} axes; an image has four: {dims}.")
    axes = (0, 1, 2, 3) if preprocessing.layout == "NCHW" else (0, 3, 1, 2)
    batch, channels, height, width = (dims[axis] for axis in axes)
    if channels not in (3, None):
        raise ExportError(
            f"Its input is {dims}, which has {channels} channels in {preprocessing.layout}: "
            "give the other --layout, if there are three at all."
        )
    return batch, height, width


def _without_constant_inputs(model: ModelProto, image: ValueInfoProto) -> ModelProto:
    """Drop the weights from the inputs, where the oldest files list them."""
    copy = ModelProto()
    copy.CopyFrom(model)
    del copy.graph.input[:]
    copy.graph.input.append(image)
    copy.ir_version = max(copy.ir_version, 4)  # the first under which weights are no inputs
    return copy


def _choose_output(model: ModelProto, wanted: str | None) -> str:
    outputs = {value.name: value for value in model.graph.output}
    if wanted is None and len(outputs) == 1:
        wanted = next(iter(outputs))
    if wanted is None or wanted not in outputs:
        raise ExportError(
            f"Its outputs are {', '.join(outputs)}: name that of the classes with --output."
        )
    element = outputs[wanted].type.tensor_type.elem_type
    if element not in _ANSWERS:
        raise ExportError(
            f"Its output {wanted} is {TensorProto.DataType.Name(element).lower()}; "
            "probabilities and logits are floats."
        )
    return wanted
