"""The layers of a quantised graph beside the trained weights that they were rounded from."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from export_tools.layer_inputs import LAYERS

Floats = NDArray[np.float64]


class QuantizedLayer:
    """A layer whose weights are whole numbers, a scale for each row (output channel) or for all.

    Attributes:
        node: the Conv or Gemm.
        trained: float64 [rows, ...], what the weights were rounded from.
    """

    def __init__(
        self, node: NodeProto, weight: NodeProto, trained: Floats, tensors: dict[str, TensorProto]
    ) -> None:
        """Take the layer, the DequantizeLinear of its weights, and the graph's tensors by name."""
        self._weight, self._tensors = weight, tensors
        self._axis = next((item.i for item in weight.attribute if item.name == "axis"), 0)
        self.node, self.trained = node, np.moveaxis(trained, self._axis, 0)

    @property
    def kind(self) -> np.dtype[np.integer[Any]]:
        """The type of the whole numbers."""
        return np.dtype(numpy_helper.to_array(self._tensors[self._weight.input[0]]).dtype)

    @property
    def scales(self) -> Floats:
        """Steps, one for each row."""
        scales = numpy_helper.to_array(self._tensors[self._weight.input[1]]).astype(np.float64)
        return np.broadcast_to(scales, len(self.trained)).copy()

    @property
    def whole(self) -> NDArray[np.int16]:
        """The weights in steps, zero points taken off, shaped as `trained`."""
        whole = numpy_helper.to_array(self._tensors[self._weight.input[0]]).astype(np.int16)
        return np.moveaxis(whole - self._zero, self._axis, 0)

    def write(self, whole: NDArray[np.int16], scales: Floats | None = None) -> None:
        """Replace the weights in steps, and their scales if those have changed."""
        kind = self.kind
        values = np.moveaxis(whole + self._zero, 0, self._axis).astype(kind)
        write_tensor(self._tensors, self._weight.input[0], values)
        if scales is not None:
            write_tensor(self._tensors, self._weight.input[1], scales.astype(np.float32))

    @property
    def largest(self) -> int:
        """The largest whole weight of either sign: the quantiser gives it to each row's largest."""
        room = int(np.iinfo(self.kind).max) - self._zero
        return min(int(np.abs(self.whole).max(initial=0)), room)

    @property
    def _zero(self) -> int:
        if len(self._weight.input) < 3:
            return 0
        return int(numpy_helper.to_array(self._tensors[self._weight.input[2]]).reshape(-1)[0])


def quantized_layers(quantized: ModelProto, original: ModelProto) -> Iterator[QuantizedLayer]:
    """Yield the layers whose weights are whole numbers.

    Args:
        quantized: what the quantiser made of `original`; layers have kept their names.
        original: the float graph.
    """
    tensors = {tensor.name: tensor for tensor in quantized.graph.initializer}
    floats = {tensor.name: tensor for tensor in original.graph.initializer}
    makers = {name: node for node in quantized.graph.node for name in node.output}
    trained = {n.name: n.input[1] for n in original.graph.node if n.op_type in LAYERS}
    for node in quantized.graph.node:
        weight = makers.get(node.input[1]) if node.op_type in LAYERS else None
        if weight is None or weight.op_type != "DequantizeLinear" or node.name not in trained:
            continue
        values = numpy_helper.to_array(floats[trained[node.name]]).astype(np.float64)
        yield QuantizedLayer(node, weight, values, tensors)


def write_tensor(tensors: dict[str, TensorProto], name: str, values: NDArray[np.generic]) -> None:
    """Replace a tensor of a graph."""
    tensors[name].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), name))
