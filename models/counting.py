"""Count a net's parameters and multiply-accumulates.

MACs follow one convention everywhere: multiply-accumulates of `nn.Conv2d` and `nn.Linear` for one
image; no bias, normalisation, activation or pooling. Other tools' "FLOPs/2" and "gmacs" often
include those and are not comparable.
"""

import copy

import torch
from torch import Tensor, nn


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable values (batch norm's running statistics excluded)."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_macs(model: nn.Module, input_size: int, in_channels: int = 3) -> int:
    """Return the MACs of one forward pass over one image of `input_size` pixels square.

    The pass runs on a copy without storage (the meta device), so it costs no arithmetic and leaves
    the model as it was.
    """
    twin = copy.deepcopy(model).to("meta").eval()
    total = 0

    def add(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        total += _macs(layer, output)

    for layer in twin.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(add)
    with torch.no_grad():
        twin(torch.empty(1, in_channels, input_size, input_size, device="meta"))
    return total


def _macs(layer: nn.Module, output: Tensor) -> int:
    if isinstance(layer, nn.Conv2d):
        height, width = layer.kernel_size
        return output.numel() * height * width * layer.in_channels // layer.groups
    assert isinstance(layer, nn.Linear)
    return output.numel() * layer.in_features
