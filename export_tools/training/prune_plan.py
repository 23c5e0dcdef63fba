"""How much of which layer to prune: to a goal in MACs, evenly or by sensitivity."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from torch import nn

from export_tools.errors import ExportError
from export_tools.training.channels import ChannelMap, trace_channels
from export_tools.training.prune import Pruned, prune
from export_tools.training.widths import (
    Strand,
    count_shaped_macs,
    find_strands,
    kept_counts,
    resized,
    shapes_of,
)

LEVELS = (0.875, 0.75, 0.625, 0.5, 0.375, 0.25)  # shares to keep that sensitivity looks at
# ONNX Runtime's fast kernels hold channels in blocks: 16 with AVX-512, 8 with AVX2. A depthwise
# layer of any other number of channels runs without them, slower than it was before pruning.
BLOCK = 16
_HALVINGS = 20
_NARROWER = (1.0, 0.97, 0.94, 0.9)  # tried in turn where groups cannot hold the first


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """By how much accuracy falls when one tie alone keeps a share; `layers` make its channels."""

    tie: int
    layers: tuple[str, ...]
    channels: int
    falls: Mapping[float, float]


class _Blocks(NamedTuple):
    """Of what channel counts are multiples, and those of layers with no more than that."""

    most: int
    small: int


def prune_to_macs(
    net: nn.Module,
    input_size: int,
    goal: float,
    *,
    multiple: int = BLOCK,
    found: list[Sensitivity] | None = None,
) -> Pruned:
    """Prune to a share of the MACs.

    Args:
        net: the original; it stays as it is.
        input_size: side of its images, px.
        goal: largest share of the MACs to leave.
        multiple: counts are rounded to a multiple of this, and smaller layers stay whole; where the
            goal cannot be met so, those are rounded to its half, then all, and so on.
        found: sensitivities; each tie then keeps what costs at most a common fall. None lets
            every tie keep the same share.

    Where a layer's groups cannot hold the channels, ties of several strands stay as they are.

    Raises:
        ExportError: the goal cannot be met.
    """
    channels = trace_channels(net, input_size)
    strands = find_strands(channels)
    every = _ties(strands)
    alone = {tie for tie in every if sum(strand.together == tie for strand in strands) == 1}
    refusal = ExportError(f"The net cannot be pruned to {goal:.0%} of its MACs.")
    for blocks in _blocks(multiple):
        for ties in (every, alone):
            for shares in _candidates(channels, strands, ties, goal, blocks, found):
                try:
                    return prune(
                        net,
                        input_size,
                        shares,
                        multiple=blocks.most,
                        small=blocks.small,
                        channels=channels,
                    )
                except ExportError as error:
                    refusal = error
    raise refusal


def narrowed(net: nn.Module, input_size: int, share: float, multiple: int = 8) -> nn.Module:
    """Return the net with a share of its channels in every layer and fresh weights in those.

    SqueezeNet's last layer has a ReLU behind it, which lets no gradient through for a class that it
    once holds back: that convolution starts as small as it did, and above 0.
    """
    channels = trace_channels(net, input_size)
    strands = find_strands(channels)
    shares = dict.fromkeys(_ties(strands), share)
    counts = kept_counts(strands, shares, multiple, least=multiple)
    narrow = resized(net, shapes_of(channels, strands, counts))
    for name, layer in channels.layers.items():
        last, before = narrow.get_submodule(name), net.get_submodule(name)
        if isinstance(last, nn.Conv2d) and set(layer.outputs) <= channels.fixed:
            assert isinstance(before, nn.Conv2d)
            nn.init.normal_(last.weight, std=float(before.weight.detach().std()))
            if last.bias is not None:
                nn.init.ones_(last.bias)
    return narrow


def sensitivities(
    net: nn.Module,
    input_size: int,
    accuracy: Callable[[nn.Module], float],
    say: Callable[[str], None] = lambda _: None,
) -> list[Sensitivity]:
    """Prune each tie alone, without fine-tuning, and see by how much accuracy falls.

    Args:
        net: the original.
        input_size: side of its images, px.
        accuracy: of a net, on images that no test will use.
        say: told which layers are looked at.
    """
    channels = trace_channels(net, input_size)
    strands = find_strands(channels)
    before = accuracy(net)
    found = []
    for tie in sorted(_ties(strands)):
        members = [strand for strand in strands if strand.together == tie]
        layers = tuple(dict.fromkeys(name for strand in members for name in strand.makers))
        say(", ".join(layers[:2]))
        falls = {}
        for share in LEVELS:
            try:
                pruned = prune(net, input_size, {tie: share}, channels=channels)
            except ExportError:  # its groups cannot hold this share
                continue
            falls[share] = before - accuracy(pruned.net)
        found.append(Sensitivity(tie, layers, sum(len(s.roots) for s in members), falls))
    return found


def _blocks(multiple: int) -> Iterator[_Blocks]:
    """Yield blocks to try in turn, the largest first.

    Between layers whose channels fill no block the runtime puts them into another order and back,
    so that small blocks are kept to the layers that have no choice.
    """
    while multiple >= 1:
        yield _Blocks(multiple, multiple)
        if multiple > 1:
            yield _Blocks(multiple, multiple // 2)
        multiple //= 2


def _candidates(
    channels: ChannelMap,
    strands: list[Strand],
    ties: set[int],
    goal: float,
    blocks: _Blocks,
    found: list[Sensitivity] | None,
) -> list[dict[int, float]]:
    """Return the shares that meet the goal, the widest first, and a few narrower ones."""
    most = goal * _macs(channels, strands, {}, blocks)

    def fits(shares: Mapping[int, float]) -> bool:
        return _macs(channels, strands, shares, blocks) <= most

    def evenly(level: float) -> dict[int, float]:
        return dict.fromkeys(ties, level)

    if found is None:
        level = _largest(lambda level: fits(evenly(level)))
        return [] if level is None else [evenly(level * less) for less in _NARROWER]
    sensed = [item for item in found if item.tie in ties]

    def at(fall: float, floor: float) -> dict[int, float]:
        return {item.tie: max(_share_for(item, fall), floor) for item in sensed}

    # The smallest fall that meets the goal; it may do more than that, so the floor is raised.
    spared = _largest(lambda level: fits(at(1.0 - level, 0.0)))
    if spared is None:
        return []
    floor = _largest(lambda level: fits(at(1.0 - spared, level))) or 0.0
    return [at(1.0 - spared, floor * less) for less in _NARROWER]


def _largest(holds: Callable[[float], bool]) -> float | None:
    """Return the largest number from 0 to 1 up to which something holds; None: never."""
    if not holds(0.0):
        return None
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _share_for(item: Sensitivity, fall: float) -> float:
    """Return the smallest share that costs at most this fall of accuracy."""
    return min([1.0, *(share for share, cost in item.falls.items() if cost <= fall)])


def _macs(
    channels: ChannelMap, strands: list[Strand], shares: Mapping[int, float], blocks: _Blocks
) -> int:
    counts = kept_counts(strands, shares, blocks.most, small=blocks.small)
    return count_shaped_macs(channels, shapes_of(channels, strands, counts))


def _ties(strands: list[Strand]) -> set[int]:
    return {strand.together for strand in strands if not strand.fixed}
