"""Images that a net takes for classes drawn for it, made along its own gradient from few photos.

Views of six photos, and mixtures of them, leave most classes of a net cold: SqueezeNet's largest
probability is 0.2 for the median mixture and 0.5 for the median photo. A dream starts from one of
either and is moved at coarse scales, in the colours that photos have, until the net is as sure as
it may be of a photo. No other photo and no label is used.

Sources: Yin et al., 2020, https://arxiv.org/abs/1912.08795 (a net's own images, to compress it
with); Olah et al., 2017, https://doi.org/10.23915/distill.00007 (scales, colours, shifts).
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's own name for it)
from numpy.typing import NDArray
from onnx import ModelProto
from torch import Tensor

from export_tools.pack.mixtures import draw_mixtures
from export_tools.torch_graph import TorchGraph, one_thread

DREAM_SEED = 2

Planes = Sequence[NDArray[np.uint8]]
_BATCH, _DRAWN, _STEPS = 16, 256, 12
_PARTS = {7: 1.0, 14: 1.0, 28: 0.8, 56: 0.5, 112: 0.25}  # pixels of a side, and how fast it moves
_RATE = 9.0  # grey levels of a step
_SHIFT = 12  # pixels, each way
_SURE = (0.15, 0.9)
_LEAK = 0.05  # of colours brighter than white
# How colours of photos vary together (Olah et al.); the first column is their lightness.
_COLOURS = torch.tensor([[0.26, 0.09, 0.02], [0.27, 0.0, -0.05], [0.27, -0.09, 0.03]]) / 0.26


def draw_dreams(
    model: ModelProto, views: Planes, count: int, seed: int
) -> Iterator[NDArray[np.uint8]]:
    """Yield images uint8 [3, height, width]; each second starts from a mixture of `views`.

    Args:
        model: a graph that ends in a softmax.
        views: where the images start.
        count: how many.
        seed: of all that is drawn.
    """
    random, graph = np.random.default_rng(seed), TorchGraph(model)
    logits = next(n.input[0] for n in reversed(model.graph.node) if n.op_type == "Softmax")
    classes = int(model.graph.output[0].type.tensor_type.shape.dim[1].dim_value)
    starts, wanted = np.empty((0, *views[0].shape), np.uint8), np.empty(0, np.int64)
    with one_thread():
        for done in range(0, count, _BATCH):
            if len(starts) < _BATCH:
                starts = np.stack(list(draw_mixtures(views, _DRAWN, seed + 100 + done)))
                plain = random.integers(len(views), size=_DRAWN)
                starts[::2] = np.stack([views[int(i)] for i in plain[::2]])
                wanted = random.permutation(np.arange(max(classes, _DRAWN)) % classes)[:_DRAWN]
            size = min(_BATCH, count - done)
            dreams = _Dreams(graph, logits, starts[:size], wanted[:size], random)
            starts, wanted = starts[size:], wanted[size:]
            for step in range(_STEPS):
                dreams.move(step)
            yield from dreams.images().clamp(0, 255).detach().round().to(torch.uint8).numpy()


class _Dreams:
    """Some images on their way."""

    def __init__(
        self,
        graph: TorchGraph,
        logits: str,
        starts: NDArray[np.uint8],
        wanted: NDArray[np.int64],
        random: np.random.Generator,
    ) -> None:
        self._graph, self._logits, self._random = graph, logits, random
        self._start, self._wanted = torch.from_numpy(starts.astype(np.float32)), wanted
        self._sure = torch.from_numpy(random.uniform(*_SURE, len(starts)).astype(np.float32))
        self._parts = {
            size: torch.zeros(len(starts), 3, size, size, requires_grad=True)
            for size in _PARTS
            if size <= min(starts.shape[2:])
        }

    def images(self) -> Tensor:
        """Return the images, float; some of their colours may be darker than black."""
        moved, size = self._start, self._start.shape[2:]
        for part in self._parts.values():
            coloured = torch.einsum("ij,njhw->nihw", _COLOURS, part)
            moved = moved + F.interpolate(coloured, size, mode="bilinear", align_corners=False)
        return moved

    def move(self, step: int) -> None:
        """Move the images that the net is not sure enough of, seen a little shifted."""
        seen = self.images()
        # A colour that was cut off gets no gradient: every other step cuts off less.
        seen = seen.clamp(0, 255) if step % 2 else _leaky(seen)
        down, across = (int(n) for n in self._random.integers(-_SHIFT, _SHIFT + 1, 2))
        seen = seen.roll((down, across), (2, 3))
        if self._random.random() < 0.5:
            seen = seen.flip(3)
        answers = self._graph.run(seen)[self._logits].log_softmax(1)
        own = answers[torch.arange(len(seen)), torch.from_numpy(self._wanted)]
        live = (own.exp() < self._sure).float()
        gradients = torch.autograd.grad((own * live).sum(), list(self._parts.values()))
        live = live[:, None, None, None]
        with torch.no_grad():
            for (size, part), gradient in zip(self._parts.items(), gradients, strict=True):
                length = gradient.flatten(1).pow(2).mean(1).sqrt().clamp_min(1e-9)
                pace = _RATE * _PARTS[size] * gradient / length[:, None, None, None]
                part.add_(pace * live * (1 - 0.6 * step / _STEPS))


def _leaky(images: Tensor) -> Tensor:
    bright = torch.where(images > 255, 255 + (images - 255) * _LEAK, images)
    return torch.where(images < 0, images * _LEAK, bright)
