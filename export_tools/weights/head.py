"""A new classifier for another number of classes than the file's; the body's weights stay."""

from collections.abc import Callable

import torch
from torch import nn

HEAD_SEED = 0
Build = Callable[[int], nn.Module]


def head_keys(build: Build, classes: int) -> frozenset[str]:
    """Return the tensors whose shape depends on the number of classes.

    Args:
        build: makes the net for a number of classes.
        classes: that of the net in question.
    """
    with torch.device("meta"):
        one, other = build(classes).state_dict(), build(classes + 1).state_dict()
    return frozenset(key for key in one if one[key].shape != other[key].shape)


def build_seeded(build: Build, classes: int, seed: int = HEAD_SEED) -> nn.Module:
    """Build a net whose initial weights are the same every time; the global generator stays."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build(classes)
