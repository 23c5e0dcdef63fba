"""A new head on pretrained weights: quick, because the body's features are computed only once.

First the body is frozen: what it makes of each photo, and of a few crops of it, is kept in memory,
and the head alone learns from that. Then all weights learn for a few epochs at a low rate, batch
norms keeping their statistics, for a few hundred photos would spoil them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's own convention)
from torch import Tensor, nn

from export_tools.errors import DataError
from export_tools.training.checkpoint import RunFolder
from export_tools.training.images import Images, batches, in_parts
from export_tools.training.loop import (
    Normalised,
    Progress,
    Schedule,
    Tell,
    describe,
    mixed,
    train,
)

_FIRST_DRAW = 10_000  # epochs of draws for the features, apart from those of the second phase


@dataclass(frozen=True, slots=True)
class Plan:
    """Both phases; `views` of each photo are kept as features: the photo itself and random crops.

    Without epochs in `whole` only the head learns.
    """

    views: int = 4
    head: Schedule = field(
        default_factory=lambda: Schedule(epochs=40, batch=64, rate=3e-3, smoothing=0.1)
    )
    whole: Schedule = field(
        default_factory=lambda: Schedule(epochs=3, batch=16, rate=2e-4, smoothing=0.1)
    )

    def describe(self) -> str:
        """Write the plan in one line."""
        return f"views={self.views}; head: {describe(self.head)}; whole: {describe(self.whole)}"


def finetune(
    net: Normalised,
    head: str,
    images: Images,
    plan: Plan,
    *,
    kept: RunFolder,
    device: str = "cpu",
    tell: Callable[[str], Tell] = lambda _: lambda _: None,
) -> None:
    """Train a new head, then the whole net, in place.

    Args:
        net: pretrained but for its head.
        head: name of the head's layer in `net.net`.
        images: with classes.
        plan: how long and how fast.
        kept: where the states are kept.
        device: "cpu" or "cuda".
        tell: makes what is told each step of a phase, by the phase's name.

    Raises:
        DataError: images without classes, or a checkpoint of another run.
    """
    if images.labels is None:
        raise DataError("A new head needs photos in class folders.")
    layer = net.net.get_submodule(head)
    _learn_head(net, layer, images, plan, kept, device, tell)
    if plan.whole.epochs:
        for part in net.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.requires_grad_(False)
        train(
            net,
            images,
            plan.whole,
            device=device,
            kept=kept.phase("whole", plan.describe()),
            tell=tell("all weights"),
        )
    net.requires_grad_(True).eval()


def _learn_head(
    net: Normalised,
    layer: nn.Module,
    images: Images,
    plan: Plan,
    kept: RunFolder,
    device: str,
    tell: Callable[[str], Tell],
) -> None:
    """Train one layer on the features that reach it."""
    schedule = plan.head
    torch.manual_seed(schedule.seed)
    net.to(device).eval()
    learner = torch.optim.AdamW(layer.parameters(), lr=schedule.rate, weight_decay=schedule.decay)
    file = kept.phase("head", plan.describe())
    done = file.restore(layer, learner)
    if done == schedule.epochs:
        return
    features, labels = _features(net, layer, images, plan.views, device, tell("features"))
    report = tell("head")
    for epoch in range(done, schedule.epochs):
        report(_head_epoch(layer, features, labels, schedule, epoch, learner, device))
        file.save(epoch + 1, layer, learner)


def _features(
    net: Normalised, layer: nn.Module, images: Images, views: int, device: str, tell: Tell
) -> tuple[Tensor, Tensor]:
    """Return what reaches a layer, float16 [views * images, ...], and the classes."""
    assert images.labels is not None
    seen: list[Tensor] = []

    def note(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.append(inputs[0].detach().half().cpu())

    handle = layer.register_forward_pre_hook(note)
    total = views * len(images)
    done = 0
    try:
        with torch.no_grad():
            for planes in _views(images, views):
                with mixed(device):
                    net(torch.from_numpy(np.ascontiguousarray(planes)).to(device))
                done += len(planes)
                tell(Progress(1, done, total, float("nan"), None))
    finally:
        handle.remove()
    labels = torch.from_numpy(np.tile(images.labels, views))
    return torch.cat(seen), labels


def _views(images: Images, views: int) -> Iterator[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    for view in range(views):
        for part in in_parts(len(images), 16):
            yield images.plain(part) if view == 0 else images.draw(part, _FIRST_DRAW + view)


def _head_epoch(
    layer: nn.Module,
    features: Tensor,
    labels: Tensor,
    schedule: Schedule,
    epoch: int,
    learner: torch.optim.Optimizer,
    device: str,
) -> Progress:
    plan = list(batches(len(features), schedule.batch, schedule.seed, epoch))
    steps = len(plan) * schedule.epochs
    losses, right, seen = 0.0, 0, 0
    for number, indices in enumerate(plan):
        for group in learner.param_groups:
            group["lr"] = schedule.rate_at(epoch * len(plan) + number, steps)
        inputs, wanted = features[indices].float().to(device), labels[indices].to(device)
        logits = _behind(layer, layer(inputs))
        loss = F.cross_entropy(logits, wanted, label_smoothing=schedule.smoothing)
        learner.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        learner.step()
        seen += len(indices)
        losses += float(loss.detach()) * len(indices)
        right += int((logits.detach().argmax(1) == wanted).sum())
    return Progress(epoch + 1, (epoch + 1) * len(plan), steps, losses / seen, right / seen)


def _behind(layer: nn.Module, made: Tensor) -> Tensor:
    """Return the logits: SqueezeNet's head is a convolution with ReLU and the mean behind it."""
    return made.relu().mean((2, 3)) if isinstance(layer, nn.Conv2d) else made
