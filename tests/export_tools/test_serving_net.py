"""The contract around a net is cast, normalisation and softmax."""

import torch
from torch import nn

from export_tools.serving_net import ServingNet
from export_tools.weights import Normalisation


def test_it_normalises_casts_and_ends_in_probabilities() -> None:
    normalisation = Normalisation((10.0, 20.0, 30.0), (2.0, 4.0, 5.0))
    net = ServingNet(nn.Flatten(), normalisation)
    image = torch.tensor([[[[12]], [[28]], [[30]]]], dtype=torch.uint8)
    expected = torch.tensor([[1.0, 2.0, 0.0]]).softmax(1)
    torch.testing.assert_close(net(image), expected)


def test_channels_are_reversed_for_weights_in_bgr() -> None:
    bgr = Normalisation((1.0, 2.0, 3.0), (4.0, 5.0, 6.0), order="bgr")
    assert bgr.in_rgb() == Normalisation((3.0, 2.0, 1.0), (6.0, 5.0, 4.0))
    assert bgr.in_rgb().in_rgb() == bgr.in_rgb()
