"""How many channels each layer of a net has, and the same net with other numbers of them.

Channels that pass through the same layers form a strand; a strand is what gets narrower. Strands
that a grouped convolution reads together keep one share, so that its groups stay equally wide.
"""

import copy
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from export_tools.errors import ExportError
from export_tools.training.channels import ChannelMap, Layer

Shapes = dict[str, tuple[int, int]]  # layer or batch norm -> channels in and out


@dataclass(frozen=True, slots=True)
class Strand:
    """Channels (their roots) that the same layers make and read; `together` is the tie's number.

    `multiple` is what their count must be a multiple of; a `fixed` strand stays as it is.
    """

    roots: tuple[int, ...]
    makers: tuple[str, ...]
    together: int
    multiple: int
    fixed: bool


def find_strands(channels: ChannelMap) -> list[Strand]:
    """Part a net's channels into strands, in the order of the layers that make them."""
    layers: dict[int, set[tuple[str, str]]] = defaultdict(set)
    for layer in channels.layers.values():
        for role, numbers in (("in", layer.inputs), ("out", layer.outputs)):
            for root in channels.roots(numbers):
                layers[root].add((layer.name, role))
    fixed = channels.fixed_roots
    parts: dict[tuple[frozenset[tuple[str, str]], bool], list[int]] = defaultdict(list)
    for root in sorted(layers):
        parts[frozenset(layers[root]), root in fixed].append(root)
    place = {root: index for index, roots in enumerate(parts.values()) for root in roots}
    ties = _ties(channels, place, len(parts))
    frozen = {ties[index] for index, (_, still) in enumerate(parts) if still}
    strands = []
    for index, ((touched, _), roots) in enumerate(parts.items()):
        multiple = math.lcm(*(channels.layers[name].groups for name, _ in touched))
        strands.append(
            Strand(
                roots=tuple(roots),
                makers=tuple(sorted(name for name, role in touched if role == "out")),
                together=ties[index],
                multiple=multiple,
                fixed=ties[index] in frozen or len(roots) % multiple > 0,
            )
        )
    return strands


def _ties(channels: ChannelMap, place: Mapping[int, int], count: int) -> list[int]:
    """Number the strands so that those which a grouped layer reads, or makes, have one number."""
    ties = list(range(count))
    for layer in channels.layers.values():
        if layer.groups == 1:
            continue
        for numbers in (layer.inputs, layer.outputs):
            touched = {ties[place[root]] for root in channels.roots(numbers)}
            ties = [min(touched) if tie in touched else tie for tie in ties]
    return ties


def kept_counts(
    strands: list[Strand],
    shares: Mapping[int, float],
    multiple: int = 1,
    *,
    small: int | None = None,
    least: int | None = None,
) -> list[int]:
    """Return how many channels of each strand are kept.

    Args:
        strands: of `find_strands`.
        shares: to keep, by the number of the tie; what is not named stays.
        multiple: of what the kept ones should be; strands that have no more than that stay whole.
        small: the multiple for those, if they are to get narrower too.
        least: channels to keep of each strand; small strands then get narrower too.
    """
    counts = []
    for strand in strands:
        count, share = len(strand.roots), shares.get(strand.together, 1.0)
        if strand.fixed or share >= 1.0:
            counts.append(count)
            continue
        block = multiple if small is None or count > multiple else small
        unit = strand.multiple if strand.multiple > 1 else block
        if least is not None:
            unit = unit if strand.multiple > 1 or count >= 2 * multiple else 1
            kept = max(unit, math.ceil(least / unit) * unit, round(share * count / unit) * unit)
        else:
            kept = max(unit, round(share * count / unit) * unit)
        counts.append(min(count, kept))
    return counts


def shapes_of(channels: ChannelMap, strands: list[Strand], counts: list[int]) -> Shapes:
    """Return the shape that every layer and batch norm has when so many channels are kept."""
    part = {
        root: (counts[index], len(strand.roots))
        for index, strand in enumerate(strands)
        for root in strand.roots
    }

    def kept(numbers: list[int]) -> int:
        # Each channel brings its strand's share, so a whole strand adds up to its count.
        total: dict[tuple[int, int], int] = defaultdict(int)
        for root in channels.roots(numbers):
            total[part[root]] += 1
        return sum(many * keep // count for (keep, count), many in total.items())

    shapes = {
        layer.name: (kept(layer.inputs), kept(layer.outputs)) for layer in channels.layers.values()
    }
    for name, numbers in channels.followers.items():
        width = kept(numbers)
        shapes[name] = (width, width)
    return shapes


def count_shaped_macs(channels: ChannelMap, shapes: Shapes) -> int:
    """Return the MACs of the net with these shapes, by the convention of `models.counting`."""

    def macs(layer: Layer) -> int:
        inputs, outputs = shapes[layer.name]
        groups = inputs if layer.name in channels.depthwise else layer.groups
        return layer.places * layer.kernel * outputs * inputs // groups

    return sum(macs(layer) for layer in (*channels.layers.values(), *channels.depthwise.values()))


def resized(net: nn.Module, shapes: Shapes) -> nn.Module:
    """Return a copy of the net whose layers have other shapes, with fresh weights in those.

    Raises:
        ExportError: the net has no such layer, or its groups do not divide the channels.
    """
    twin = copy.deepcopy(net)
    parts = dict(twin.named_modules())
    for name, (inputs, outputs) in shapes.items():
        part = parts.get(name)
        if isinstance(part, nn.Conv2d):
            _resize_convolution(name, part, inputs, outputs)
        elif isinstance(part, nn.Linear):
            if (part.in_features, part.out_features) != (inputs, outputs):
                part.__init__(inputs, outputs, part.bias is not None)  # type: ignore[misc]
        elif isinstance(part, nn.BatchNorm2d):
            if part.num_features != outputs:
                part.__init__(outputs, part.eps, part.momentum)  # type: ignore[misc]
        else:
            raise ExportError(f"The net has no layer {name} to give another width.")
    return twin.train(net.training)


def _resize_convolution(name: str, part: nn.Conv2d, inputs: int, outputs: int) -> None:
    if (part.in_channels, part.out_channels) == (inputs, outputs):
        return
    depthwise = part.groups == part.in_channels == part.out_channels and part.groups > 1
    groups = outputs if depthwise else part.groups
    if inputs % groups or outputs % groups:
        raise ExportError(f"{name}: {groups} groups do not divide {inputs} to {outputs} channels.")
    part.in_channels, part.out_channels, part.groups = inputs, outputs, groups
    part.weight = nn.Parameter(torch.empty(outputs, inputs // groups, *part.kernel_size))
    nn.init.kaiming_uniform_(part.weight, nonlinearity="relu")
    if part.bias is not None:
        part.bias = nn.Parameter(torch.zeros(outputs))


def changed_shapes(net: nn.Module, shapes: Shapes) -> Shapes:
    """Return only the shapes that differ from the net's own."""
    parts = dict(net.named_modules())
    return {name: shape for name, shape in shapes.items() if _shape(parts[name]) != shape}


def _shape(part: nn.Module) -> tuple[int, int]:
    if isinstance(part, nn.Conv2d):
        return part.in_channels, part.out_channels
    if isinstance(part, nn.Linear):
        return part.in_features, part.out_features
    assert isinstance(part, nn.BatchNorm2d)
    return part.num_features, part.num_features


def write_shapes(shapes: Shapes) -> str:
    """Write shapes in one line, as manifests have them: `conv1 3>24, bn1 24`."""
    return ", ".join(
        f"{name} {a}" if a == b else f"{name} {a}>{b}" for name, (a, b) in shapes.items()
    )


def parse_shapes(text: str) -> Shapes:
    """Read what `write_shapes` wrote; raises `ExportError`."""
    shapes: Shapes = {}
    for item in filter(None, text.split(", ")):
        name, _, numbers = item.partition(" ")
        first, _, second = numbers.partition(">")
        if not first.isdigit() or not (second or first).isdigit():
            raise ExportError(f"{item!r} is no width: written as `conv1 3>24` or `bn1 24`.")
        shapes[name] = (int(first), int(second or first))
    return shapes
