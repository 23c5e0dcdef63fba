"""What the layers of a float graph read when images run through it, and how that varies."""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's own name for it)
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto
from torch import Tensor

from export_tools.torch_graph import one_thread
from service.engine.session import INPUT_NAME

LAYERS = ("Conv", "Gemm")
Planes = Sequence[NDArray[np.uint8]]
_BATCH = 8  # images whose patches are multiplied at once
# Of a row and a column of a map. Rows of weights of a group are short: few are enough.
_PLACES, _PLACES_OF_GROUPS = 28, 7
_Ints = dict[str, list[int]]


def run_for(
    model: ModelProto, planes: Planes, names: Sequence[str]
) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Yield the named values of a graph for each image, uint8 [3, height, width], in turn."""
    probe = ModelProto()
    probe.CopyFrom(model)
    names = list(dict.fromkeys(names))
    probe.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        probe.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    for image in planes:
        values = session.run(names, {INPUT_NAME: image[np.newaxis]})
        yield dict(zip(names, values, strict=True))


def input_moments(model: ModelProto, planes: Planes) -> dict[str, NDArray[np.float64]]:
    """Return the second moments of what each row of a layer's weights is multiplied with.

    Half of them is the Hessian of the layer's squared error. The mean is not taken out, as if
    biases would make up for it: they do so for images with the calibration's mean alone.

    Args:
        model: the float graph.
        planes: calibration images.

    Returns:
        By the layer's node: [groups, inputs of a row, the same], the mean over images and
        places (of large maps over evenly spread ones).
        Layers that read anything but [batch, channels, height, width], or [batch, inputs] if they
        are fully connected, are left out.
    """
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    layers = [n for n in model.graph.node if n.op_type in LAYERS and n.input[1] in shapes]
    names = [node.input[0] for node in layers]
    found: dict[str, Tensor] = {}
    with one_thread():
        every = run_for(model, planes, names)
        while some := list(islice(every, _BATCH)):
            for node in layers:
                given = torch.from_numpy(np.concatenate([one[node.input[0]] for one in some]))
                if given.ndim != (4 if node.op_type == "Conv" else 2):
                    continue
                groups = groups_of(node)
                most = _PLACES if groups == 1 else _PLACES_OF_GROUPS
                given = patches(node, given, shapes[node.input[1]], most)
                moments = moments_of(given, groups)
                total = found.setdefault(node.name, torch.zeros_like(moments))
                total.add_(moments, alpha=len(some) / len(planes))
    return {name: total.double().numpy() for name, total in found.items()}


def patches(
    node: NodeProto, data: Tensor, weight: Sequence[int], most: int | None = None
) -> Tensor:
    """Return what the rows of a layer's weights are multiplied with, [batch, inputs, places].

    Args:
        node: a Conv or a Gemm.
        data: what it reads.
        weight: the shape of its weights.
        most: about how many places of a row and of a column are enough, evenly spread.
    """
    if node.op_type == "Gemm":
        return data[:, :, None]
    given: _Ints = {item.name: list(item.ints) for item in node.attribute if item.ints}
    top, left, bottom, right = given.get("pads", [0, 0, 0, 0])
    stride, dilation = (tuple(given.get(name, [1, 1])) for name in ("strides", "dilations"))
    if most is not None:
        sides = zip(data.shape[2:], stride, strict=True)
        stride = tuple(step * max(1, side // (step * most)) for side, step in sides)
    data = F.pad(data, (left, right, top, bottom))
    return F.unfold(data, tuple(weight[2:]), dilation=dilation, stride=stride)


def moments_of(given: Tensor, groups: int) -> Tensor:
    """Return the mean second moments of a batch, [groups, inputs of a group, the same].

    Args:
        given: [batch, inputs, places].
        groups: of the layer.
    """
    batch, _, places = given.shape
    given = given.reshape(batch, groups, -1, places).permute(1, 2, 0, 3).flatten(2)
    return given @ given.transpose(1, 2) / (batch * places)


def groups_of(node: NodeProto) -> int:
    """Return the groups of a layer's channels."""
    return next((int(item.i) for item in node.attribute if item.name == "group"), 1)
