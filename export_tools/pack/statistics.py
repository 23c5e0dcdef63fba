"""What calibration images say of each layer: how its inputs vary, how much its outputs matter.

Inputs: the second moments of what a row of weights is multiplied with. Outputs: the second moments
of the gradients of the log-likelihood of answers that are drawn from the net's own probabilities.
Together they are the layer's part of the Fisher information. No labels are used.

Source: Martens and Grosse, 2015, https://arxiv.org/abs/1503.05671 (the two factors).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's own name for it)
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto
from torch import Tensor

from export_tools.layer_inputs import moments_of, patches
from export_tools.pack.layers import Layer
from export_tools.torch_graph import TorchGraph, Values, one_thread

Planes = Sequence[NDArray[np.uint8]]
_BATCH = 8
_SEED = 0


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of one layer, means over images and positions.

    Attributes:
        inputs: float64 [groups, inputs of a row, the same].
        outputs: float64 [outputs, outputs], of gradients, summed over an image's positions.
    """

    inputs: NDArray[np.float64]
    outputs: NDArray[np.float64]


def gather(model: ModelProto, layers: Sequence[Layer], planes: Planes) -> dict[str, Statistics]:
    """Run calibration images through a graph that ends in a softmax; return by layer's node."""
    graph = TorchGraph(model)
    groups = {layer.node: layer.groups for layer in layers}
    logits = next(n.input[0] for n in reversed(model.graph.node) if n.op_type == "Softmax")
    sums: dict[str, list[Tensor]] = {}
    draw = torch.Generator().manual_seed(_SEED)
    with one_thread():
        for start in range(0, len(planes), _BATCH):
            batch = np.stack(planes[start : start + _BATCH]).astype(np.float32)
            watched: dict[str, tuple[Tensor, Tensor]] = {}

            def watch(
                node: NodeProto,
                values: Values,
                output: Tensor,
                watched: dict[str, tuple[Tensor, Tensor]] = watched,
            ) -> Tensor:
                if node.name not in groups:
                    return output
                output = output if output.requires_grad else output.requires_grad_()
                output.retain_grad()
                given = values[node.input[0]].detach()
                given = patches(node, given, values[node.input[1]].shape)
                watched[node.name] = (moments_of(given, groups[node.name]).double(), output)
                return output

            found = graph.run(torch.from_numpy(batch), layer=watch)[logits]
            answers = torch.multinomial(found.detach().softmax(1), 1, generator=draw)[:, 0]
            F.cross_entropy(found, answers, reduction="sum").backward()  # type: ignore[no-untyped-call]
            for name, (inputs, output) in watched.items():
                assert output.grad is not None
                gradients = output.grad.transpose(0, 1).flatten(1)
                squared = (gradients @ gradients.T).double()
                total = sums.setdefault(name, [torch.zeros(()), torch.zeros(())])
                total[0], total[1] = total[0] + inputs, total[1] + squared
    images = len(planes)
    batches = -(-images // _BATCH)
    return {
        name: Statistics((inputs / batches).numpy(), (outputs / images).numpy())
        for name, (inputs, outputs) in sums.items()
    }


def mean_statistics(found: Sequence[Mapping[str, Statistics]]) -> dict[str, Statistics]:
    """Return the mean of statistics of several sets of images."""
    return {
        name: Statistics(
            np.mean([part[name].inputs for part in found], axis=0),
            np.mean([part[name].outputs for part in found], axis=0),
        )
        for name in found[0]
    }
