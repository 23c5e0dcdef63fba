"""A source's file to a net that holds its weights and takes RGB.

Before anything is copied the file's layout is compared with the net's, tensor by tensor, and a
difference is told in the file's own names.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from export_tools.errors import WeightsError
from export_tools.installed import installed_files
from export_tools.weights.source import FileTensor, Normalisation, WeightSource
from models import ModelSpec, count_macs, count_parameters, create_model, get_spec
from service.engine.manifest import InputPolicy

_NAMED = 3  # differences of each kind that a refusal names
_COUNTER = "num_batches_tracked"  # of no use to inference; old files lack it


@dataclass(frozen=True, slots=True)
class LoadedNet:
    """A net in evaluation mode: float RGB, normalised, [batch, 3, h, w] to logits."""

    net: nn.Module
    spec: ModelSpec
    source: WeightSource
    normalisation: Normalisation
    input: InputPolicy
    parameters: int
    macs: int
    classes: int
    file_name: str
    sha256: str


def load_net(
    architecture: str, source: WeightSource, file: Path | None = None, *, classes: int = 1000
) -> LoadedNet:
    """Build a net and give it a source's weights.

    Args:
        architecture: a name of `models.list_models()` that the source has weights for.
        source: where the weights come from.
        file: a file of the source's layout; None takes the one that the source packages.
        classes: length of the logits.

    Raises:
        WeightsError: no file, an unsafe one, another layout, or values that are not finite.
    """
    if architecture not in source.architectures:
        raise WeightsError(
            f"{source.name} has weights for {', '.join(source.architectures)}, "
            f"not for {architecture}."
        )
    path = file if file is not None else packaged_file(source)
    digest = _sha256(path)
    options: dict[str, Any] = dict(source.variant)
    net = create_model(architecture, num_classes=classes, **options).eval()
    net.load_state_dict(_arrange(net, source, source.read(path), path.name))
    if source.normalisation.order == "bgr":
        _reverse_input_channels(net)
    spec = get_spec(architecture, **source.variant)
    size = spec.input_size
    return LoadedNet(
        net=net,
        spec=spec,
        source=source,
        normalisation=source.normalisation.in_rgb(),
        input=InputPolicy(
            height=size,
            width=size,
            resize_shorter=source.resize_shorter,
            interpolation=source.interpolation,
        ),
        parameters=count_parameters(net),
        macs=count_macs(net, size),
        classes=classes,
        file_name=path.name,
        sha256=digest,
    )


def packaged_file(source: WeightSource) -> Path:
    """Find a source's file in its installed distribution, without importing the package.

    Raises:
        WeightsError: there is none, or it is not the known file.
        DataError: the distribution is not installed.
    """
    if source.packaged is None:
        raise WeightsError(
            f"{source.name} brings no file of its own: give {source.origin} with --weights."
        )
    packaged = source.packaged
    found = installed_files(packaged.distribution, lambda path: path == packaged.path)
    if not found:
        raise WeightsError(f"{packaged.distribution} is installed without {packaged.path}.")
    path = found[packaged.path]
    if _sha256(path) != packaged.sha256:
        raise WeightsError(
            f"{path.name} is not the file of {packaged.distribution} {packaged.version}: "
            "its sha256 differs."
        )
    return path


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{path.name} cannot be read: {error.strerror}.") from error


def _arrange(
    net: nn.Module, source: WeightSource, found: Mapping[str, Tensor], file_name: str
) -> dict[str, Tensor]:
    """Return the net's state dict out of the file's tensors."""
    own = net.state_dict()
    layout = source.layout(list(own))
    wanted = {place.key: place.file_shape(own[key].shape) for key, place in layout.items()}
    differences = layout_differences(wanted, {key: tuple(t.shape) for key, t in found.items()})
    if differences:
        raise WeightsError(
            f"{file_name} is not of {source.name}'s layout: {'; '.join(differences)}."
        )
    broken = [key for key in wanted if key in found and not torch.isfinite(found[key]).all()]
    if broken:
        raise WeightsError(f"{file_name} has values that are not finite in {broken[0]}.")
    return {key: _taken(found, place, own[key]) for key, place in layout.items()}


def layout_differences(
    wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]
) -> list[str]:
    """Say how two layouts (key to shape) differ: a sentence a kind, with the first keys of it."""
    missing = [
        f"{key} {list(shape)}"
        for key, shape in wanted.items()
        if key not in found and not key.endswith(_COUNTER)
    ]
    reshaped = [
        f"{key} {list(found[key])}, not {list(shape)}"
        for key, shape in wanted.items()
        if key in found and found[key] != shape
    ]
    unknown = [f"{key} {list(shape)}" for key, shape in found.items() if key not in wanted]
    kinds = {"missing": missing, "of another shape": reshaped, "unknown": unknown}
    return [_first_of(kind, keys) for kind, keys in kinds.items() if keys]


def _first_of(kind: str, keys: list[str]) -> str:
    more = len(keys) - _NAMED
    return f"{kind}: {', '.join(keys[:_NAMED])}" + (f" and {more} more" if more > 0 else "")


def _taken(found: Mapping[str, Tensor], place: FileTensor, own: Tensor) -> Tensor:
    tensor = found.get(place.key, own)
    return tensor if place.axes is None else tensor.permute(place.axes)


def _reverse_input_channels(net: nn.Module) -> None:
    """Turn weights that expect BGR into the same for RGB, in the first convolution."""
    first = next(module for module in net.modules() if isinstance(module, nn.Conv2d))
    with torch.no_grad():
        first.weight.copy_(first.weight.flip(1))
