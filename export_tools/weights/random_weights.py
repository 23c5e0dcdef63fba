"""A net that was never trained, to see what a net costs before there are weights for it.

Fresh weights alone are no fair stand-in: without statistics in its batch norms a deep net's
activations vanish or explode, and its answers are all alike. So the statistics are taken from a
few photos, and the classifier is scaled until answers differ. Nothing else is learned.
"""

from functools import partial

import torch
from torch import Tensor, nn

from export_tools.errors import WeightsError
from export_tools.weights.choose import NO_OPTIONS, Options, deployed_options
from export_tools.weights.head import build_seeded, head_keys
from export_tools.weights.load import LoadedNet, build_net
from export_tools.weights.source import HALF, Crop, Normalisation, WeightSource
from models import count_macs, count_parameters, get_spec, list_models

_CROP = Crop(224, 256)
_LOGIT_DEVIATION = 3.0  # of 1000 classes, one then has about a tenth of the probability


def _no_file(path: object) -> dict[str, Tensor]:
    raise WeightsError(f"Random weights are drawn, not read from {path}.")


RANDOM = WeightSource(
    name="random",
    architectures=tuple(list_models()),
    origin="random weights",
    licence=None,
    normalisation=Normalisation(HALF, HALF),
    resize_shorter=_CROP.resize_shorter,
    interpolation=_CROP.interpolation,
    read=_no_file,
)


def random_crop(architecture: str, input_size: int | None = None) -> Crop:
    """Return the crop of a random net: 7/8 of the shorter side, at the native size or another."""
    return _CROP.at(input_size or get_spec(architecture).input_size)


def random_net(
    architecture: str,
    images: Tensor,
    *,
    seed: int = 0,
    classes: int = 1000,
    options: Options = NO_OPTIONS,
) -> LoadedNet:
    """Build a net with random weights; the same seed gives the same weights.

    Args:
        architecture: a name of `models.list_models()`.
        images: uint8 RGB [batch, 3, size, size] that batch norms take their statistics from.
        seed: of the weights.
        classes: length of the logits.
        options: of the variant.

    Raises:
        ModelError: options or a size that the net cannot be built with.
    """
    size = images.shape[-1]
    options = deployed_options(architecture, options)
    build = partial(build_net, architecture, size, options)
    net = build_seeded(build, classes, seed).eval()
    inputs = (images.float() - HALF[0]) / HALF[0]
    with torch.no_grad():
        _take_statistics(net, inputs)
        deviation = net(inputs).std(dim=1).mean()
        if deviation > 0:
            for key in head_keys(build, classes):
                net.state_dict()[key].mul_(_LOGIT_DEVIATION / deviation)
    return LoadedNet(
        net=net,
        spec=get_spec(architecture, **options),
        source=RANDOM,
        normalisation=RANDOM.normalisation,
        input=_CROP.at(size).policy(),
        parameters=count_parameters(net),
        macs=count_macs(net, size),
        classes=classes,
        file_name=f"seed {seed}",
        sha256=None,
        untrained="all weights",
    )


def _take_statistics(net: nn.Module, inputs: Tensor) -> None:
    """Set the statistics of batch norms to those of one batch."""
    norms = [part for part in net.modules() if isinstance(part, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    net(inputs)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.eval()
        norm.momentum = momentum
