"""Teach a quantised graph its fp32 parent's answers: a short quantisation-aware fine-tune.

Rounding costs an int8 model answers where its parent is unsure. The rounding of every weight, the
biases and the activations' scales are moved by gradients until the int8 graph's logits are the
parent's again, on views of the calibration photos and mixtures of them; labels are not used. A
weight may move by no more than `Lesson.reach` steps from where it starts, so what the parent has
learnt on a million photos is not unlearnt on six. Batch norms were folded by the exporter, scales
stay per channel, the graph and its speed stay the same.

Sources: Hinton et al., 2015, https://arxiv.org/abs/1503.02531 (the parent as the teacher); Esser et
al., 2020, https://arxiv.org/abs/1902.08153 (learnt scales); Nagel et al., 2020,
https://arxiv.org/abs/2004.10568 (rounding is what to learn).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper
from torch import Tensor

from export_tools.fold_input import absorb_scale
from export_tools.graph_clean import clean_graph
from export_tools.layer_inputs import LAYERS
from export_tools.torch_graph import TorchGraph, Values, one_thread, round_through
from service.engine.manifest import CompressionStep

_Planes = Sequence[NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class Lesson:
    """How long and how fast is learnt; `reach` and rates are in quantisation steps."""

    steps: int = 200
    batch: int = 12
    weight_rate: float = 0.02
    scale_rate: float = 0.002
    reach: float = 1.0
    mixed: float = 0.5
    temperature: float = 1.0
    seed: int = 17


@dataclass(slots=True)
class _Layer:
    """A quantised layer's parts; weights and bias are learnt, in steps."""

    node: NodeProto
    weight: NodeProto
    bias: NodeProto
    data_scale: str
    first: Tensor
    steps: Tensor
    start: Tensor
    unit: Tensor
    shift: Tensor


class Student:
    """A quantised graph whose weights, biases and activation scales can be learnt."""

    def __init__(self, quantized: ModelProto, original: ModelProto) -> None:
        """Take what the quantiser made of `original`; layers have kept their names."""
        self.graph = TorchGraph(quantized)
        self._model = quantized
        self._makers = {name: node for node in quantized.graph.node for name in node.output}
        theirs = {t.name: numpy_helper.to_array(t) for t in original.graph.initializer}
        weights = {n.name: n.input[1] for n in original.graph.node if n.op_type in LAYERS}
        self.layers: list[_Layer] = []
        for node in quantized.graph.node:
            if node.op_type in LAYERS and len(node.input) > 2 and node.name in weights:
                layer = self._layer(node, theirs[weights[node.name]])
                if layer is not None:
                    self.layers.append(layer)
        names = {n.input[1] for n in quantized.graph.node if n.op_type == "QuantizeLinear"}
        self.scales = {
            name: self.graph.constants[name].log().clone().requires_grad_()
            for name in sorted(names)
        }

    def _layer(self, node: NodeProto, trained: NDArray[np.float32]) -> _Layer | None:
        data, weight, bias = (self._makers.get(name) for name in node.input[:3])
        if data is None or weight is None or bias is None:
            return None
        if any(part.op_type != "DequantizeLinear" for part in (data, weight, bias)):
            return None
        if self.graph.kinds[weight.input[0]] != TensorProto.INT8:
            return None
        constants = self.graph.constants
        shape = [-1, *[1] * (trained.ndim - 1)]
        if _axis(weight) == 1:
            shape = [1, -1]
        wanted = torch.from_numpy(trained.copy()) / constants[weight.input[1]].reshape(shape)
        wanted = wanted.nan_to_num(0.0, 0.0, 0.0)  # channels that pruning left empty
        # Weights that were not rounded to the nearest step start in the middle of theirs.
        given = constants[weight.input[0]]
        wanted = torch.where(wanted.round() == given, wanted, given)
        start = constants[bias.input[0]] * constants[bias.input[1]]
        return _Layer(
            node=node,
            weight=weight,
            bias=bias,
            data_scale=data.input[1],
            first=wanted,
            steps=wanted.clone().requires_grad_(),
            start=start,
            unit=constants[bias.input[1]] * _BIAS_UNIT,
            shift=torch.zeros_like(start).requires_grad_(),
        )

    def known(self) -> Values:
        """Return the values that are learnt, as the graph would compute them."""
        known: Values = {name: scale.exp() for name, scale in self.scales.items()}
        for layer in self.layers:
            whole = round_through(layer.steps.clamp(-127, 127))
            known[layer.weight.input[0]] = whole
            known[layer.bias.output[0]] = layer.start + layer.shift * layer.unit
        return known

    def limit(self, reach: float) -> None:
        """Bring weights back that moved too far from where they started."""
        with torch.no_grad():
            for layer in self.layers:
                layer.steps.clamp_(layer.first - reach, layer.first + reach)

    def write(self) -> None:
        """Write what was learnt into the graph that the student was made of."""
        tensors = {tensor.name: tensor for tensor in self._model.graph.initializer}

        def put(name: str, values: Tensor, kind: type[np.generic]) -> None:
            array = values.detach().numpy().astype(kind)
            tensors[name].CopyFrom(numpy_helper.from_array(array, name))

        known = self.known()
        for name in self.scales:
            put(name, known[name], np.float32)
        for layer in self.layers:
            put(layer.weight.input[0], known[layer.weight.input[0]], np.int8)
            data_scale = known.get(layer.data_scale, self.graph.constants[layer.data_scale])
            scale = (data_scale * self.graph.constants[layer.weight.input[1]]).detach()
            put(layer.bias.input[1], scale, np.float32)
            steps = (known[layer.bias.output[0]] / scale).round()
            put(layer.bias.input[0], steps.nan_to_num(0.0, 0.0, 0.0), np.int32)  # dead channels


def distil(
    quantized: ModelProto,
    original: ModelProto,
    planes: _Planes,
    lesson: Lesson,
    say: Callable[[int, float], None] = lambda *_: None,
) -> float:
    """Fine-tune a quantised graph in place.

    Args:
        quantized: what the quantiser and its additions made of `original`.
        original: the float graph.
        planes: images to learn from, uint8 [3, height, width] each.
        lesson: how long and how fast.
        say: told each step and its loss.

    Returns:
        The mean loss of the last tenth of the steps.
    """
    student, teacher = Student(quantized, original), TorchGraph(original)
    logits = next(n.input[0] for n in reversed(quantized.graph.node) if n.op_type == "Softmax")
    theirs = next(n.input[0] for n in reversed(original.graph.node) if n.op_type == "Softmax")
    learner = torch.optim.Adam(
        [
            {"params": [layer.steps for layer in student.layers], "lr": lesson.weight_rate},
            {"params": [layer.shift for layer in student.layers], "lr": lesson.weight_rate},
            {"params": list(student.scales.values()), "lr": lesson.scale_rate},
        ]
    )
    rates = [group["lr"] for group in learner.param_groups]
    losses: list[float] = []
    for step, batch in enumerate(_batches(planes, lesson)):
        for group, rate in zip(learner.param_groups, rates, strict=True):
            group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / lesson.steps))
        with torch.no_grad():
            wanted = teacher.run(batch)[theirs]
        found = student.graph.run(batch, student.known())[logits]
        loss = _distance(wanted, found, lesson.temperature)
        learner.zero_grad()
        # torch declares no types for this call
        loss.backward()  # type: ignore[no-untyped-call]
        learner.step()
        student.limit(lesson.reach)
        losses.append(float(loss.detach()))
        say(step, losses[-1])
    student.write()
    last = losses[-max(1, len(losses) // 10) :]
    return sum(last) / max(1, len(last))


def _distance(wanted: Tensor, found: Tensor, temperature: float) -> Tensor:
    """Return the divergence of answers, with a little of the logits' own distance."""
    target = (wanted / temperature).log_softmax(1)
    own = (found / temperature).log_softmax(1)
    divergence = (target.exp() * (target - own)).sum(1).mean()
    return divergence + 0.02 * (wanted - found).square().mean()


def _batches(planes: _Planes, lesson: Lesson) -> Iterator[Tensor]:
    """Yield float [batch, 3, height, width]; a share of the images are mixtures of two."""
    random = np.random.default_rng(lesson.seed)
    for _ in range(lesson.steps):
        chosen = random.integers(0, len(planes), (2, lesson.batch))
        part = np.where(random.random(lesson.batch) < lesson.mixed, random.random(lesson.batch), 1)
        first, second = (np.stack([planes[i] for i in row]).astype(np.float32) for row in chosen)
        weight = part.astype(np.float32).reshape(-1, 1, 1, 1)
        yield torch.from_numpy(np.round(first * weight + second * (1 - weight)))


def _axis(node: NodeProto) -> int:
    return next((int(item.i) for item in node.attribute if item.name == "axis"), 0)


_BIAS_UNIT = 64.0  # steps of a bias that count as one: a step of one weight times a usual input


def teach(
    graph: bytes, parent: bytes, planes: _Planes, lesson: Lesson
) -> tuple[bytes, CompressionStep]:
    """Fine-tune an int8 contract graph against its fp32 parent; return it and the step taken."""
    quantized, original = onnx.load_model_from_string(graph), onnx.load_model_from_string(parent)
    absorb_scale(original)
    with one_thread():
        loss = distil(quantized, original, planes, lesson)
    facts = {**asdict(lesson), "views": len(planes), "loss": round(loss, 6)}
    return clean_graph(quantized), CompressionStep(step="distilled from fp32", settings=facts)
