import torch
from torch import nn

import models


def test_macs_of_known_layers() -> None:
    model = nn.Sequential(
        nn.Conv2d(4, 8, 3, padding=1, groups=2),  # 8 x 10 x 10 outputs, 3 x 3 x 2 each
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    )
    assert models.count_macs(model, 10, in_channels=4) == 800 * 18 + 40
    assert models.count_parameters(model) == (8 * 2 * 9 + 8) + 16 + (40 + 5)


def test_layer_used_twice_counts_twice() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.conv(self.conv(x))
            return y

    assert models.count_macs(Twice(), 4) == 2 * 16 * 9


def test_counting_leaves_the_model_as_it_was() -> None:
    model = models.create_model("mobilenet_v1", width=0.25)
    model.get_submodule("classifier").eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    models.count_macs(model, 32)
    assert model.training
    assert not model.get_submodule("classifier").training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not any(part._forward_hooks for part in model.modules())
