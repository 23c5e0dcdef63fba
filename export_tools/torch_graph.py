"""Run an exported graph in PyTorch, float or quantised, with gradients where they exist.

ONNX Runtime says what a graph answers on this host. This runner is for what it cannot do: answer
as another host would (`saturation`), and let an int8 graph learn (`distil_int8`). Integer tensors
are floats that hold whole numbers, exact below 2^24; rounding passes gradients straight through
(Bengio et al., 2013, https://arxiv.org/abs/1308.3432).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import onnx
import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's own name for it)
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper
from torch import Tensor

from export_tools.errors import ExportError

Values = dict[str, Tensor]
Attributes = dict[str, Any]
Operator = Callable[[list[Tensor], Attributes], Tensor]
Layer = Callable[[NodeProto, Values, Tensor], Tensor]

_RANGES: dict[int, tuple[int, int]] = {
    TensorProto.UINT8: (0, 255),
    TensorProto.INT8: (-128, 127),
}


class TorchGraph:
    """A graph with its constants as tensors; `constants` may be replaced by others."""

    def __init__(self, model: ModelProto) -> None:
        """Take a graph; it is not changed.

        Raises:
            ExportError: it has an operator that this runner does not know.
        """
        self.model = model
        self.constants: Values = {}
        self.kinds: dict[str, int] = {}
        for tensor in model.graph.initializer:
            array = numpy_helper.to_array(tensor)
            whole = tensor.data_type == TensorProto.INT64
            self.constants[tensor.name] = torch.tensor(array, dtype=None if whole else torch.float)
            self.kinds[tensor.name] = tensor.data_type
        unknown = {node.op_type for node in model.graph.node} - set(_OPERATORS) - {_QUANTIZE}
        if unknown:
            raise ExportError(f"Cannot be run in PyTorch: {', '.join(sorted(unknown))}.")
        self._attributes = [
            {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
            for node in model.graph.node
        ]

    def run(
        self, image: Tensor, known: Mapping[str, Tensor] | None = None, layer: Layer | None = None
    ) -> Values:
        """Compute every value of the graph.

        Args:
            image: float [batch, 3, height, width] that holds grey levels.
            known: values to take instead of constants and of what nodes would compute.
            layer: told each Conv and Gemm with all values and its output, and returns what to
                take for the output.

        Returns:
            All values by name.
        """
        values: Values = {**self.constants, self.model.graph.input[0].name: image, **(known or {})}
        given = set(known or ())
        for node, attributes in zip(self.model.graph.node, self._attributes, strict=True):
            name = node.output[0]
            if name in given:
                continue
            inputs = [values[item] if item else torch.empty(0) for item in node.input]
            if node.op_type == _QUANTIZE:
                low, high = _RANGES[self.kinds[node.input[2]]]
                values[name] = quantize(inputs[0], inputs[1], inputs[2], low, high)
                continue
            values[name] = _OPERATORS[node.op_type](inputs, attributes)
            if layer is not None and node.op_type in ("Conv", "Gemm"):
                values[name] = layer(node, values, values[name])
        return values


@contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch use one thread: sums in one order, and no waiting for another busy core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def round_through(values: Tensor) -> Tensor:
    """Round half to even; the gradient is that of no rounding."""
    return values + (values.round() - values).detach()


def quantize(values: Tensor, scale: Tensor, zero: Tensor, low: int, high: int) -> Tensor:
    """Return whole numbers between `low` and `high`, of one scale for all values."""
    return (round_through(values / scale) + zero).clamp(low, high)


def _dequantize(inputs: list[Tensor], attributes: Attributes) -> Tensor:
    values, scale, *zero = inputs
    shape = [1] * values.ndim
    if scale.ndim:
        shape[attributes.get("axis", 1)] = -1
    shift = zero[0].reshape(shape) if zero else 0.0
    return (values - shift) * scale.reshape(shape)


def _conv(inputs: list[Tensor], attributes: Attributes) -> Tensor:
    data, weight, *bias = inputs
    top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
    if top or left or bottom or right:
        data = F.pad(data, (left, right, top, bottom))
    return F.conv2d(
        data,
        weight,
        bias[0] if bias else None,
        stride=attributes.get("strides", [1, 1]),
        dilation=attributes.get("dilations", [1, 1]),
        groups=attributes.get("group", 1),
    )


def _pool(inputs: list[Tensor], attributes: Attributes, average: bool) -> Tensor:
    data, size = inputs[0], attributes["kernel_shape"]
    stride = attributes.get("strides", [1, 1])
    top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
    if attributes.get("ceil_mode"):
        bottom, right = bottom + stride[0] - 1, right + stride[1] - 1
    if not average:
        return F.max_pool2d(F.pad(data, (left, right, top, bottom), value=-torch.inf), size, stride)
    sums = F.avg_pool2d(F.pad(data, (left, right, top, bottom)), size, stride)
    if attributes.get("count_include_pad"):
        return sums
    ones = F.pad(torch.ones_like(data[:1, :1]), (left, right, top, bottom))
    return sums / F.avg_pool2d(ones, size, stride)


def _gemm(inputs: list[Tensor], attributes: Attributes) -> Tensor:
    left = inputs[0].T if attributes.get("transA") else inputs[0]
    right = inputs[1].T if attributes.get("transB") else inputs[1]
    product: Tensor = left @ right * attributes.get("alpha", 1.0)
    return product + inputs[2] * attributes.get("beta", 1.0) if len(inputs) > 2 else product


def _mean(inputs: list[Tensor], attributes: Attributes) -> Tensor:
    axes = inputs[1].tolist() if len(inputs) > 1 else list(range(inputs[0].ndim))
    return inputs[0].mean(axes, keepdim=bool(attributes.get("keepdims", 1)))


def _clip(inputs: list[Tensor], attributes: Attributes) -> Tensor:
    del attributes
    low = inputs[1] if len(inputs) > 1 and inputs[1].numel() else None
    high = inputs[2] if len(inputs) > 2 and inputs[2].numel() else None
    return torch.clamp(inputs[0], low, high)


def _reshape(inputs: list[Tensor], attributes: Attributes) -> Tensor:
    del attributes
    shape = [inputs[0].shape[i] if n == 0 else n for i, n in enumerate(inputs[1].tolist())]
    if -1 not in shape and inputs[0].shape[0] != shape[0]:
        shape[0] = -1  # the symbolic batch
    return inputs[0].reshape(shape)


_QUANTIZE = "QuantizeLinear"
_OPERATORS: dict[str, Operator] = {
    "Add": lambda i, _: i[0] + i[1],
    "AveragePool": lambda i, a: _pool(i, a, average=True),
    "Cast": lambda i, _: i[0],
    "Clip": _clip,
    "Concat": lambda i, a: torch.cat(i, a["axis"]),
    "Conv": _conv,
    "DequantizeLinear": _dequantize,
    "Div": lambda i, _: i[0] / i[1],
    "Flatten": lambda i, a: i[0].flatten(a.get("axis", 1)),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda i, _: i[0].mean((2, 3), keepdim=True),
    "Identity": lambda i, _: i[0],
    "MatMul": lambda i, _: i[0] @ i[1],
    "MaxPool": lambda i, a: _pool(i, a, average=False),
    "Mul": lambda i, _: i[0] * i[1],
    "Pow": lambda i, _: i[0] ** i[1],
    "ReduceMean": _mean,
    "Relu": lambda i, _: i[0].relu(),
    "Reshape": _reshape,
    "Softmax": lambda i, a: i[0].softmax(a.get("axis", -1)),
    "Sqrt": lambda i, _: i[0].sqrt(),
    "Sub": lambda i, _: i[0] - i[1],
    "Transpose": lambda i, a: i[0].permute(a["perm"]),
}
