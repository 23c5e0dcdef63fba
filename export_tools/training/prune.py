"""L1-norm filter pruning (Li et al. 2017, https://arxiv.org/abs/1608.08710): tensors get smaller.

A narrower net is built and followed channel by channel like the original. Each of its channels is
given one of the original's that passes through the same layers and the same groups of them: those
whose filters have the largest L1 norms, in the order they had. Then every layer takes the rows and
columns of its channels. So concatenations, additions, groups and shuffles need no rules of their
own, and a net whose groups could not hold the channels is refused instead of answering wrongly.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from export_tools.errors import ExportError
from export_tools.training.channels import ChannelMap, Layer, Numbers, trace_channels
from export_tools.training.widths import (
    Shapes,
    changed_shapes,
    find_strands,
    kept_counts,
    resized,
    shapes_of,
)


@dataclass(frozen=True, slots=True)
class Pruned:
    """A net with fewer channels, the shapes that differ, and the original's roots that are left."""

    net: nn.Module
    shapes: Shapes
    kept: frozenset[int]


def prune(
    net: nn.Module,
    input_size: int,
    shares: Mapping[int, float],
    *,
    multiple: int = 1,
    small: int | None = None,
    channels: ChannelMap | None = None,
) -> Pruned:
    """Keep a share of the channels of each tie of strands.

    Args:
        net: the original; it stays as it is.
        input_size: side of its images, px.
        shares: to keep, by the number of the tie; see `widths.find_strands`.
        multiple: counts are rounded to a multiple of this where they can be.
        small: the multiple where there are no more channels than that; None leaves them whole.
        channels: of the net, if they are known already.

    Raises:
        ExportError: the groups of a layer cannot hold what would be left.
    """
    channels = channels or trace_channels(net, input_size)
    strands = find_strands(channels)
    shapes = shapes_of(channels, strands, kept_counts(strands, shares, multiple, small=small))
    narrow = resized(net, shapes)
    theirs = trace_channels(narrow, input_size)
    chosen = _choose(channels, theirs, channel_norms(net, channels))
    _copy_weights(net, narrow, channels, theirs, chosen)
    return Pruned(narrow, changed_shapes(net, shapes), frozenset(chosen.values()))


def channel_norms(net: nn.Module, channels: ChannelMap) -> dict[int, float]:
    """Return the L1 norm of each channel's filters with batch norms folded in, by root.

    Each layer's norms are divided by their mean; a channel of several layers has the sum.
    """
    parts = dict(net.named_modules())
    norms: dict[int, float] = defaultdict(float)
    for layer in channels.layers.values():
        size = _filter_norms(parts[layer.name], parts.get(channels.norm_after.get(layer.name, "")))
        for number, value in zip(layer.outputs, (size / size.mean()).tolist(), strict=True):
            norms[channels.root(number)] += value
    return norms


def _filter_norms(layer: nn.Module, norm: nn.Module | None) -> Tensor:
    assert isinstance(layer, nn.Conv2d | nn.Linear)
    size = layer.weight.detach().abs().flatten(1).sum(1).double()
    if isinstance(norm, nn.BatchNorm2d) and norm.running_var is not None:
        size = size * norm.weight.detach().abs() / (norm.running_var + norm.eps).sqrt()
    return size.clamp_min(1e-12)


def _choose(channels: ChannelMap, narrow: ChannelMap, norms: Mapping[int, float]) -> dict[int, int]:
    """Give each channel of the narrow net one of the original's: root to root."""
    ours, theirs = _by_signature(channels), _by_signature(narrow)
    chosen: dict[int, int] = {}
    for signature, wanted in theirs.items():
        there = ours.get(signature, [])
        if len(there) < len(wanted):
            names = ", ".join(sorted({name for name, _, _ in signature}))
            raise ExportError(
                f"The groups of {names} cannot hold the channels that would be left: "
                "keep another share."
            )
        best = sorted(there, key=lambda root: -norms.get(root, 0.0))[: len(wanted)]
        chosen.update(zip(wanted, sorted(best), strict=True))
    return chosen


_Signature = frozenset[tuple[str, str, int]]


def _by_signature(channels: ChannelMap) -> dict[_Signature, Numbers]:
    """Part the roots by the layers, and the groups of these, that they pass through."""
    touched: dict[int, set[tuple[str, str, int]]] = defaultdict(set)
    for layer in channels.layers.values():
        for role, numbers in (("in", layer.inputs), ("out", layer.outputs)):
            wide = len(numbers) // layer.groups
            for place, root in enumerate(channels.roots(numbers)):
                touched[root].add((layer.name, role, place // wide))
    parts: dict[_Signature, Numbers] = defaultdict(list)
    for root in sorted(touched):
        parts[frozenset(touched[root])].append(root)
    return parts


def _copy_weights(
    net: nn.Module,
    narrow: nn.Module,
    channels: ChannelMap,
    theirs: ChannelMap,
    chosen: Mapping[int, int],
) -> None:
    source, target = net.state_dict(), narrow.state_dict()
    for name, layer in theirs.layers.items():
        old = channels.layers[name]
        rows = _places(old.outputs, layer.outputs, channels, theirs, chosen)
        columns = _places(old.inputs, layer.inputs, channels, theirs, chosen)
        target[f"{name}.weight"].copy_(_taken(source[f"{name}.weight"], old, layer, rows, columns))
        if f"{name}.bias" in target:
            target[f"{name}.bias"].copy_(source[f"{name}.bias"][rows])
    for name, numbers in theirs.followers.items():
        rows = _places(channels.followers[name], numbers, channels, theirs, chosen)
        for key in ("weight", "bias", "running_mean", "running_var"):
            if f"{name}.{key}" in target:
                target[f"{name}.{key}"].copy_(source[f"{name}.{key}"][rows])


def _taken(weight: Tensor, old: Layer, new: Layer, rows: Numbers, columns: Numbers) -> Tensor:
    """Return the rows and columns of a weight, group by group."""
    width, high, wide = (
        len(old.inputs) // old.groups,
        len(new.outputs) // new.groups,
        len(new.inputs) // new.groups,
    )
    return torch.cat(
        [
            weight[rows[group * high : (group + 1) * high]][
                :, [column - group * width for column in columns[group * wide : (group + 1) * wide]]
            ]
            for group in range(new.groups)
        ]
    )


def _places(
    old: Numbers,
    new: Numbers,
    channels: ChannelMap,
    theirs: ChannelMap,
    chosen: Mapping[int, int],
) -> Numbers:
    """Return where in the old order each of the new channels was; repeated ones keep theirs."""
    places: dict[int, Numbers] = defaultdict(list)
    for place, root in enumerate(channels.roots(old)):
        places[root].append(place)
    seen: dict[int, int] = defaultdict(int)
    found = []
    for root in (chosen[root] for root in theirs.roots(new)):
        found.append(places[root][seen[root]])
        seen[root] += 1
    return found
