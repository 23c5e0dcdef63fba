"""Filters that are taken out: the narrow net answers as the wide one with them silenced."""

import copy

import pytest
import torch
from torch import Tensor, nn

from export_tools.errors import ExportError
from export_tools.training.channels import ChannelMap, trace_channels
from export_tools.training.prune import channel_norms, prune
from export_tools.training.prune_plan import (
    BLOCK,
    Sensitivity,
    narrowed,
    prune_to_macs,
    sensitivities,
)
from export_tools.training.widths import (
    count_shaped_macs,
    find_strands,
    kept_counts,
    parse_shapes,
    resized,
    shapes_of,
    write_shapes,
)
from models import count_macs, count_parameters, create_model

SIDE = 32
WIDE = ("googlenet", "xception", "efficientnet_lite0")  # narrowed, to be quick
NETS: tuple[tuple[str, dict[str, float | str]], ...] = (
    ("squeezenet1_1", {}),  # concatenations
    ("mobilenet_v1", {"width": 0.25}),  # depthwise
    ("shufflenet_v1", {"scale": 0.25, "groups": 3}),  # groups, shuffles, additions
    ("shufflenet_v1", {"scale": 0.25, "groups": 2, "shuffle_order": "megvii"}),
    ("googlenet", {}),  # response norms, whose neighbours must stay
    ("lite_inception", {"width": 0.25, "depth": 0.5}),
    ("xception", {}),  # additions over many blocks
    ("efficientnet_lite0", {}),
    ("lightweight_cnn", {}),
)


def a_net(name: str, options: dict[str, float | str]) -> nn.Module:
    """Build a net whose batch norms have statistics that are not all alike."""
    torch.manual_seed(2)
    net = create_model(name, num_classes=5, input_size=SIDE, **options)  # type: ignore[arg-type]
    if name in WIDE:
        net = narrowed(net, SIDE, 0.2)
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            assert part.running_mean is not None
            assert part.running_var is not None
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, std=0.1)
            nn.init.normal_(part.running_mean, std=0.1)
            nn.init.uniform_(part.running_var, 0.5, 2.0)
    return net.eval()


def silenced(net: nn.Module, channels: ChannelMap, kept: frozenset[int]) -> nn.Module:
    """Return the net with zeros in all that makes the other channels."""
    twin = copy.deepcopy(net)
    made = {layer.name: layer.outputs for layer in channels.layers.values()} | channels.followers
    with torch.no_grad():
        for name, numbers in made.items():
            gone = [i for i, root in enumerate(channels.roots(numbers)) if root not in kept]
            part = twin.get_submodule(name)
            for tensor in (part.weight, part.bias):
                if isinstance(tensor, Tensor):
                    tensor[gone] = 0
    return twin


@pytest.mark.parametrize(("name", "options"), NETS)
def test_a_pruned_net_answers_as_the_silenced_one(
    name: str, options: dict[str, float | str]
) -> None:
    net = a_net(name, options)
    channels = trace_channels(net, SIDE)
    assert count_shaped_macs(channels, _shapes(channels, 1.0)) == count_macs(net, SIDE)
    pruned = prune_to_macs(net, SIDE, 0.5)
    assert count_macs(pruned.net, SIDE) <= 0.5 * count_macs(net, SIDE)
    assert count_parameters(pruned.net) < 0.8 * count_parameters(net)
    image = torch.randn(2, 3, SIDE, SIDE)
    with torch.no_grad():
        wanted, found = silenced(net, channels, pruned.kept)(image), pruned.net(image)
    assert torch.allclose(wanted, found, rtol=1e-4, atol=1e-5 * float(wanted.abs().max()))


def _shapes(channels: ChannelMap, share: float) -> dict[str, tuple[int, int]]:
    strands = find_strands(channels)
    shares = {strand.together: share for strand in strands}
    return shapes_of(channels, strands, kept_counts(strands, shares))


def test_a_pruned_net_is_made_again_from_its_widths() -> None:
    net = a_net("shufflenet_v1", {"scale": 0.25, "groups": 3})
    pruned = prune_to_macs(net, SIDE, 0.5)
    again = resized(net, parse_shapes(write_shapes(pruned.shapes)))
    again.load_state_dict(pruned.net.state_dict())
    image = torch.randn(1, 3, SIDE, SIDE)
    assert torch.equal(again.eval()(image), pruned.net.eval()(image))
    with pytest.raises(ExportError, match="no layer nothing"):
        resized(net, {"nothing": (1, 2)})
    with pytest.raises(ExportError, match="written as"):
        parse_shapes("conv many")


def test_the_weakest_filters_go_with_batch_norm_counted() -> None:
    net = a_net("mobilenet_v1", {"width": 0.25})
    stem, norm = net.get_submodule("conv_stem"), net.get_submodule("bn1")
    assert isinstance(stem, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    with torch.no_grad():
        stem.weight.fill_(1.0)
        norm.weight.copy_(torch.arange(8.0) + 1)
        norm.running_var.fill_(1.0)  # type: ignore[union-attr]
    channels = trace_channels(net, SIDE)
    made = channels.roots(channels.layers["conv_stem"].outputs)
    norms = channel_norms(net, channels)
    assert [norms[root] for root in made] == sorted(norms[root] for root in made)
    tie = next(s.together for s in find_strands(channels) if made[0] in s.roots)
    pruned = prune(net, SIDE, {tie: 0.5})
    assert [root in pruned.kept for root in made] == [False] * 4 + [True] * 4
    assert pruned.shapes["conv_stem"] == (3, 4)


def test_groups_that_cannot_hold_the_channels_are_refused_or_spared() -> None:
    net = a_net("shufflenet_v1", {"scale": 0.25, "groups": 3})
    ties = {strand.together for strand in find_strands(trace_channels(net, SIDE))}
    with pytest.raises(ExportError, match="groups"):
        prune(net, SIDE, dict.fromkeys(ties, 0.75))
    assert count_macs(prune_to_macs(net, SIDE, 0.75).net, SIDE) < 0.75 * count_macs(net, SIDE)
    with pytest.raises(ExportError, match="cannot be pruned"):
        prune_to_macs(a_net("lightweight_cnn", {}), SIDE, 0.0001)


def test_sensitive_layers_keep_more() -> None:
    net = a_net("squeezenet1_1", {})
    channels = trace_channels(net, SIDE)
    ties = sorted({s.together for s in find_strands(channels) if not s.fixed})
    levels = (0.75, 0.5, 0.25)
    found = [
        Sensitivity(
            tie, (), 0, {share: (1 - share) * (2.0 if tie == ties[0] else 0.5) for share in levels}
        )
        for tie in ties
    ]
    pruned = prune_to_macs(net, SIDE, 0.5, found=found)
    strand = next(s for s in find_strands(channels) if s.together == ties[0])
    kept = sum(root in pruned.kept for root in strand.roots) / len(strand.roots)
    assert kept > len(pruned.kept) / len({channels.root(i) for i in range(len(channels.parents))})


def test_sensitivity_prunes_each_tie_alone() -> None:
    net = a_net("lightweight_cnn", {})
    told: list[str] = []
    found = sensitivities(
        net, SIDE, lambda candidate: count_parameters(candidate) / 1000, told.append
    )
    assert [item.layers for item in found] == [("pointwise",)]
    assert told == ["pointwise"]
    falls = list(found[0].falls.values())
    assert falls == sorted(falls)


def test_a_narrowed_net_has_fewer_channels_everywhere() -> None:
    net = narrowed(a_net("squeezenet1_1", {}), SIDE, 0.25)
    assert net(torch.randn(1, 3, SIDE, SIDE)).shape == (1, 5)
    assert count_parameters(net) < 0.1 * count_parameters(a_net("squeezenet1_1", {}))


def test_an_operation_that_is_not_understood_is_named() -> None:
    class Strange(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            made: Tensor = self.conv(x)
            return made.cumsum(1).mean((2, 3))

    with pytest.raises(ExportError, match="cumsum"):
        trace_channels(Strange(), SIDE)


def test_channels_are_kept_in_blocks_and_small_layers_whole() -> None:
    net = a_net("mobilenet_v1", {"width": 0.25})
    widths = {
        name: part.out_channels
        for name, part in prune_to_macs(net, SIDE, 0.5).net.named_modules()
        if isinstance(part, nn.Conv2d)
    }
    assert widths["conv_stem"] == 8
    assert all(width in (8, 16) or width % BLOCK == 0 for width in widths.values())
    # Where blocks are too coarse for the goal, smaller ones are tried: for narrow layers first.
    narrow = narrowed(a_net("squeezenet1_1", {}), SIDE, 0.25)
    before = {name: part for name, part in narrow.named_modules() if isinstance(part, nn.Conv2d)}
    halved = prune_to_macs(narrow, SIDE, 0.5).net
    assert count_macs(halved, SIDE) <= 0.5 * count_macs(narrow, SIDE)
    for name, part in list(before.items())[:-1]:  # the last one's are the classes
        left = halved.get_submodule(name)
        assert isinstance(left, nn.Conv2d)
        assert left.out_channels % (BLOCK if part.out_channels > BLOCK else BLOCK // 2) == 0
    small = a_net("lightweight_cnn", {})
    assert count_macs(prune_to_macs(small, SIDE, 0.45).net, SIDE) < 0.45 * count_macs(small, SIDE)
