"""Look inside a net while it runs."""

import torch
from torch import Tensor, nn


def map_sides(model: nn.Module, kinds: tuple[type[nn.Module], ...], input_size: int) -> list[int]:
    """Return the output sides of the layers of these kinds, in the order they run."""
    sides: list[int] = []

    def note(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
        sides.append(output.shape[-1])

    twin = model.to("meta").eval()
    for part in twin.modules():
        if isinstance(part, kinds):
            part.register_forward_hook(note)
    twin(torch.empty(1, 3, input_size, input_size, device="meta"))
    return sides


def batch_norms(model: nn.Module) -> list[nn.BatchNorm2d]:
    return [part for part in model.modules() if isinstance(part, nn.BatchNorm2d)]


def convolutions(model: nn.Module) -> list[nn.Conv2d]:
    return [part for part in model.modules() if isinstance(part, nn.Conv2d)]


def randomise_statistics(model: nn.Module) -> None:
    """Give batch norms the kind of statistics that training would."""
    for norm in batch_norms(model):
        assert norm.running_mean is not None
        assert norm.running_var is not None
        nn.init.normal_(norm.running_mean, std=0.1)
        nn.init.uniform_(norm.running_var, 0.5, 1.5)
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, std=0.1)


def difference(first: nn.Module, second: nn.Module, images: Tensor) -> float:
    """Return the largest difference of two nets' answers, relative to the largest answer."""
    with torch.inference_mode():
        left, right = first.eval()(images), second.eval()(images)
    return float((left - right).abs().max() / left.abs().max())
