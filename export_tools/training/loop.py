"""The training loop: epochs of AdamW on a warmed-up cosine, the same result after a kill.

All that is random comes from the seed: the order of images and what is drawn of them by the epoch's
number, dropout from PyTorch's generator, whose state the checkpoint keeps.
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's own convention)
from numpy.typing import NDArray
from torch import Tensor, nn

from export_tools.errors import DataError
from export_tools.training.checkpoint import CheckpointFile
from export_tools.training.images import Images, batches, in_parts
from export_tools.weights import Normalisation


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast: epochs, images a step, the highest rate, and what follows from them.

    The rate rises over `warm_up` of the steps and falls along a cosine; `smoothing` is of labels.
    """

    epochs: int = 20
    batch: int = 50
    rate: float = 3e-3
    warm_up: float = 0.15
    decay: float = 0.02
    smoothing: float = 0.0
    seed: int = 0

    def rate_at(self, step: int, steps: int) -> float:
        """Return the rate of a step out of all."""
        warm = max(1, round(self.warm_up * steps))
        if step < warm:
            return self.rate * (step + 1) / warm
        return self.rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is: steps done of all, and the means since the epoch began.

    `accuracy` is that on the images as they were drawn for training; None without labels.
    """

    epoch: int
    step: int
    steps: int
    loss: float
    accuracy: float | None


Tell = Callable[[Progress], None]
# Logits, the uint8 images they answer, and the labels where there are any, to a loss.
Objective = Callable[[Tensor, Tensor, Tensor | None], Tensor]


def cross_entropy(smoothing: float = 0.0) -> Objective:
    """Return the loss against labels."""

    def objective(logits: Tensor, images: Tensor, labels: Tensor | None) -> Tensor:
        del images
        if labels is None:
            raise DataError("Images without classes teach only through a teacher: use distil.")
        return F.cross_entropy(logits, labels, label_smoothing=smoothing)

    return objective


class Normalised(nn.Module):
    """A net that takes uint8 images [batch, 3, height, width] and gives logits."""

    scale: Tensor
    offset: Tensor

    def __init__(self, net: nn.Module, normalisation: Normalisation) -> None:
        super().__init__()
        self.net = net
        mean, std = torch.tensor(normalisation.mean), torch.tensor(normalisation.std)
        self.register_buffer("scale", (1 / std).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("offset", (-mean / std).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Map uint8 images [batch, 3, height, width] to logits [batch, classes]."""
        logits: Tensor = self.net(images.float() * self.scale + self.offset)
        return logits


def train(
    net: Normalised,
    images: Images,
    schedule: Schedule,
    *,
    objective: Objective | None = None,
    device: str = "cpu",
    kept: CheckpointFile | None = None,
    tell: Tell = lambda _: None,
) -> None:
    """Train a net in place.

    Args:
        net: what learns; parameters that need no gradient stay, and so do the statistics of batch
            norms in parts that have no other parameters.
        images: what it learns from.
        schedule: how long and how fast.
        objective: the loss; None is the cross entropy with the labels.
        device: "cpu" or "cuda"; on cuda the arithmetic is bfloat16 where the card has it.
        kept: where the state is kept after each epoch, and taken up from.
        tell: told each step.

    Raises:
        DataError: no images, labels missing, or a checkpoint of another run.
    """
    if len(images) == 0:
        raise DataError("There are no images to learn from.")
    objective = objective or cross_entropy(schedule.smoothing)
    torch.manual_seed(schedule.seed)
    net.to(device)
    learner = torch.optim.AdamW(_decayed(net, schedule.decay), lr=schedule.rate)
    done = kept.restore(net, learner) if kept else 0
    for epoch in range(done, schedule.epochs):
        _epoch(net, images, schedule, epoch, learner, objective, device, tell)
        if kept:
            kept.save(epoch + 1, net, learner)
    net.eval()


def _epoch(  # the state of one run
    net: Normalised,
    images: Images,
    schedule: Schedule,
    epoch: int,
    learner: torch.optim.Optimizer,
    objective: Objective,
    device: str,
    tell: Tell,
) -> None:
    plan = list(batches(len(images), schedule.batch, schedule.seed, epoch))
    steps = len(plan) * schedule.epochs
    net.train()
    keep_frozen(net)
    losses, right, seen = 0.0, 0, 0
    for number, indices in enumerate(plan):
        step = epoch * len(plan) + number
        for group in learner.param_groups:
            group["lr"] = schedule.rate_at(step, steps)
        inputs = torch.from_numpy(np.ascontiguousarray(images.draw(indices.tolist(), epoch)))
        inputs = inputs.to(device)
        labels = None
        if images.labels is not None:
            labels = torch.from_numpy(images.labels[indices]).to(device)
        with mixed(device):
            logits = net(inputs)
        loss = objective(logits.float(), inputs, labels)
        learner.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        learner.step()
        seen += len(indices)
        losses += float(loss.detach()) * len(indices)
        if labels is not None:
            right += int((logits.detach().argmax(1) == labels).sum())
        share = right / seen if labels is not None else None
        tell(Progress(epoch + 1, step + 1, steps, losses / seen, share))


def answers(net: Normalised, images: Images, device: str = "cpu") -> NDArray[np.float32]:
    """Return the logits of images as a server would see them, float32 [n, classes]."""
    net.to(device).eval()
    found = []
    with torch.no_grad():
        for part in in_parts(len(images)):
            planes = torch.from_numpy(np.ascontiguousarray(images.plain(part)))
            found.append(net(planes.to(device)).float().cpu().numpy())
    return np.concatenate(found)


def right_share(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return the share of right answers."""
    return float((logits.argmax(1) == labels).mean())


def mixed(device: str) -> AbstractContextManager[object]:
    """Return the arithmetic of a forward pass: bfloat16 on a card that has it, else float32."""
    if device == "cuda" and torch.cuda.is_bf16_supported():
        return torch.autocast("cuda", torch.bfloat16)
    return nullcontext()


def keep_frozen(net: nn.Module) -> None:
    """Put batch norms whose own parameters are frozen into evaluation mode."""
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d) and not any(p.requires_grad for p in part.parameters()):
            part.eval()


def describe(schedule: Schedule) -> str:
    """Write a schedule in one line, as checkpoints name their run."""
    return ", ".join(f"{name}={value}" for name, value in asdict(schedule).items())


def _decayed(net: nn.Module, decay: float) -> list[dict[str, object]]:
    """Part the parameters that learn: weights decay, biases and batch norms do not."""
    learnt = [parameter for parameter in net.parameters() if parameter.requires_grad]
    weights = [parameter for parameter in learnt if parameter.ndim > 1]
    others = [parameter for parameter in learnt if parameter.ndim <= 1]
    groups: list[dict[str, object]] = [
        {"params": weights, "weight_decay": decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
