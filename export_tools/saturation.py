"""Answer as an x86 host without VNNI would: sums of two products saturate at 16 bits.

Without VNNI, ONNX Runtime multiplies uint8 activations and int8 weights with VPMADDUBSW, which
adds two neighbouring products into a signed 16-bit number before anything is accumulated in 32
bits: 255 * 127 + 255 * 127 = 64770 becomes 32767. A host with VNNI adds four products in 32 bits
and never shows it; the same file answers differently, without an error.

Which products are neighbours: the runtime lays convolutions out as [kernel row, kernel column,
input channel], the channel changing fastest, and pairs items 2i and 2i + 1 of that list (of each
group). With an even number of channels these are neighbouring channels at one place of the
kernel; with an odd number, such as a stem's three, pairs reach over to the next place. Matrix
products pair neighbouring inputs. Activations count as stored, before their zero point is taken
off, and padding counts as the zero point. Convolutions by one channel (depthwise) multiply in 32
bits and do not saturate; uint8 weights and int8 activations take other instructions. The
pairing is an assumption; it agrees with the runtime's own answers under an emulated Haswell CPU,
see docs/compression.md.
"""

from collections.abc import Iterable

import numpy as np
import onnx
import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's own name for it)
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto
from torch import Tensor

from export_tools.torch_graph import TorchGraph, Values, one_thread
from service.engine.session import OUTPUT_NAME

LOWEST, HIGHEST = -(2**15), 2**15 - 1
_DEQUANTIZE = "DequantizeLinear"
_ENTRIES = 256  # pairs looked at together, to bound memory


class WithoutVnni:
    """A session that answers as a host without VNNI; counts where sums saturated."""

    providers = ("x86 without VNNI, emulated",)

    def __init__(self, graph: bytes) -> None:
        """Take a quantised graph.

        Raises:
            ExportError: it has an operator that cannot be emulated.
        """
        model: ModelProto = onnx.load_model_from_string(graph)
        self._graph = TorchGraph(model)
        self._makers = {name: node for node in model.graph.node for name in node.output}
        self.saturated: dict[str, int] = {}

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classify uint8 [batch, 3, height, width] into float32 [batch, classes]."""
        with one_thread(), torch.no_grad():
            values = self._graph.run(torch.from_numpy(images).float(), layer=self._saturate)
        answers: NDArray[np.float32] = values[OUTPUT_NAME].numpy()
        return answers

    def _saturate(self, node: NodeProto, values: Values, output: Tensor) -> Tensor:
        """Take from a layer's output what its pairs lose."""
        sources = self._sources(node)
        if sources is None:
            return output
        data, weight = sources
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        whole, kernel = values[data.input[0]], values[weight.input[0]]
        if node.op_type == "Gemm":
            kernel = kernel if attributes.get("transB") else kernel.T
            whole, kernel = whole[:, :, None, None], kernel[:, :, None, None]
        elif kernel.shape[1] == 1:
            return output  # depthwise
        loss = pair_loss(whole, kernel, float(values[data.input[2]]), attributes)
        count = int((loss != 0).sum())
        if not count:
            return output
        self.saturated[node.name] = self.saturated.get(node.name, 0) + count
        step = values[data.input[1]] * values[weight.input[1]]
        if node.op_type == "Gemm":
            return output - loss[:, :, 0, 0] * step
        return output - loss * step.reshape(-1, 1, 1)

    def _sources(self, node: NodeProto) -> tuple[NodeProto, NodeProto] | None:
        """Return what dequantises a layer's uint8 data and int8 weights, if it has them."""
        data, weight = (self._makers.get(name) for name in node.input[:2])
        if data is None or weight is None:
            return None
        if any(n.op_type != _DEQUANTIZE or len(n.input) < 3 for n in (data, weight)):
            return None
        kinds = tuple(self._graph.kinds.get(n.input[2]) for n in (data, weight))
        return (data, weight) if kinds == (TensorProto.UINT8, TensorProto.INT8) else None


def pair_loss(
    data: Tensor, kernel: Tensor, padding: float, attributes: dict[str, object]
) -> Tensor:
    """Return what saturation takes from each sum: the exact sum less the saturated one.

    Args:
        data: whole numbers 0 to 255, [batch, channels, height, width].
        kernel: whole numbers -128 to 127, [out, channels / groups, kernel h, kernel w].
        padding: the data's zero point.
        attributes: of the Conv; empty for a plain product.

    Returns:
        Whole numbers [batch, out, out height, out width].
    """
    top, left, bottom, right = _ints(attributes, "pads", [0, 0, 0, 0])
    size = (kernel.shape[2], kernel.shape[3])
    stride, dilation = (_ints(attributes, name, [1, 1]) for name in ("strides", "dilations"))
    padded = F.pad(data, (left, right, top, bottom), value=padding)
    height, width = (
        (padded.shape[2 + i] - dilation[i] * (size[i] - 1) - 1) // stride[i] + 1 for i in (0, 1)
    )
    groups = data.shape[1] // kernel.shape[1]
    shares = zip(padded.chunk(groups, 1), kernel.chunk(groups, 0), strict=True)
    losses = []
    for part, weights in shares:
        columns = F.unfold(part, size, dilation=_two(dilation), stride=_two(stride))
        places = size[0] * size[1]
        # [channel, place] -> [place, channel]
        columns = columns.reshape(len(part), -1, places, height * width)
        columns = columns.transpose(1, 2).flatten(1, 2)
        rows = weights.flatten(2).transpose(1, 2).flatten(1)
        losses.append(_losses(columns, rows))
    return torch.cat(losses, 1).reshape(len(data), -1, height, width)


def _losses(columns: Tensor, rows: Tensor) -> Tensor:
    """Sum what pairs lose; columns [batch, items, places], rows [out, items]."""
    if columns.shape[1] % 2:
        columns, rows = F.pad(columns, (0, 0, 0, 1)), F.pad(rows, (0, 1))
    tops = columns.amax((0, 2))
    most = rows.clamp(min=0) * tops
    least = rows.clamp(max=0) * tops
    over = (most[:, 0::2] + most[:, 1::2]) > HIGHEST
    under = (least[:, 0::2] + least[:, 1::2]) < LOWEST
    outs, pairs = (over | under).nonzero(as_tuple=True)
    loss = torch.zeros(columns.shape[0], rows.shape[0], columns.shape[2])
    for start in range(0, len(outs), _ENTRIES):
        out, pair = (found[start : start + _ENTRIES] for found in (outs, pairs))
        sums = sum(
            columns[:, 2 * pair + i] * rows[out, 2 * pair + i].reshape(1, -1, 1) for i in (0, 1)
        )
        assert isinstance(sums, Tensor)
        loss.index_add_(1, out, sums - sums.clamp(LOWEST, HIGHEST))
    return loss


def largest_pair(rows: NDArray[np.int8]) -> NDArray[np.int64]:
    """Return the largest sum of two neighbouring weights of one sign, by output.

    Args:
        rows: [out, channels, kernel h, kernel w] or [out, in].

    Returns:
        [out]; up to 128 no activation can make the layer saturate.
    """
    whole = rows.astype(np.int64).reshape(rows.shape[0], rows.shape[1], -1)
    items = whole.transpose(0, 2, 1).reshape(rows.shape[0], -1)
    if items.shape[1] % 2:
        items = np.pad(items, ((0, 0), (0, 1)))
    sums: list[NDArray[np.int64]] = []
    for part in (items.clip(min=0), -items.clip(max=0)):
        sums.append((part[:, 0::2] + part[:, 1::2]).max(axis=1))
    largest: NDArray[np.int64] = np.maximum(*sums)
    return largest


def _two(values: list[int]) -> tuple[int, int]:
    return values[0], values[1]


def _ints(attributes: dict[str, object], name: str, default: list[int]) -> list[int]:
    found = attributes.get(name, default)
    assert isinstance(found, Iterable)
    return [int(value) for value in found]
