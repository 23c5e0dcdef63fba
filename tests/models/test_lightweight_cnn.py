import pytest
import torch

import models
from tests.models.support import convolutions


def test_layers_are_the_tutorials() -> None:
    depthwise, pointwise = convolutions(models.create_model("lightweight_cnn"))
    assert (depthwise.kernel_size, depthwise.groups) == ((3, 3), 3)
    assert (pointwise.kernel_size, pointwise.out_channels) == ((1, 1), 32)


@pytest.mark.parametrize("size", [(1, 1), (17, 17), (48, 100)])
@pytest.mark.parametrize("classes", [1, 2, 1234])
def test_any_input_size_and_class_count(size: tuple[int, int], classes: int) -> None:
    model = models.create_model("lightweight_cnn", num_classes=classes)
    assert model(torch.randn(2, 3, *size)).shape == (2, classes)


@pytest.mark.parametrize(("size", "classes"), [(28, 10), (32, 100)])
def test_counts_follow_from_the_layers(size: int, classes: int) -> None:
    model = models.create_model("lightweight_cnn", num_classes=classes, in_channels=1)
    assert models.count_parameters(model) == (9 + 1) + (32 + 32) + (32 * classes + classes)
    assert models.count_macs(model, size, in_channels=1) == size**2 * (9 + 32) + 32 * classes
