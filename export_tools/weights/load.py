"""A source's file to a net that holds its weights and takes RGB.

Before anything is copied the file's layout is compared with the net's, tensor by tensor, and a
difference is told in the file's own names.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from export_tools.errors import WeightsError
from export_tools.installed import installed_files
from export_tools.weights.choose import (
    NO_OPTIONS,
    Options,
    checkpoint_of,
    crop_of,
    deployed_options,
    merge_options,
)
from export_tools.weights.head import Build, build_seeded, head_keys
from export_tools.weights.source import Checkpoint, FileTensor, Normalisation, WeightSource
from models import ModelSpec, count_macs, count_parameters, create_model, get_spec
from service.engine.manifest import InputPolicy, PublishedAccuracy

_NAMED = 3  # differences of each kind that a refusal names
_COUNTER = "num_batches_tracked"  # of no use to inference; old files lack it


@dataclass(frozen=True, slots=True)
class LoadedNet:
    """A net in evaluation mode: float RGB, normalised, [batch, 3, h, w] to logits.

    `untrained` says in words which of its weights were never trained, and is empty where all were.
    """

    net: nn.Module
    spec: ModelSpec
    source: WeightSource
    normalisation: Normalisation
    input: InputPolicy
    parameters: int
    macs: int
    classes: int
    file_name: str
    sha256: str | None
    published: PublishedAccuracy | None = None
    untrained: str = ""


def load_net(
    architecture: str,
    source: WeightSource,
    file: Path | None = None,
    *,
    classes: int = 1000,
    options: Options = NO_OPTIONS,
    checkpoint: Checkpoint | None = None,
    input_size: int | None = None,
    new_head: bool = False,
) -> LoadedNet:
    """Build a net and give it a source's weights.

    Args:
        architecture: a name of `models.list_models()` that the source has weights for.
        source: where the weights come from.
        file: a file of the source's layout; None takes the one that the source packages.
        classes: length of the logits.
        options: of the variant, beside those that the weights fix.
        checkpoint: which of the source's published files it is, where that is known.
        input_size: side of the input in pixels; None takes that of the weights' maker.
        new_head: whether a classifier of another number of classes is replaced by a fresh one.

    Raises:
        WeightsError: no file, an unsafe one, another layout, or values that are not finite.
        ModelError: options that the net cannot be built with.
    """
    _check_architecture(architecture, source)
    path = file if file is not None else packaged_file(source)
    digest = _sha256(path)
    checkpoint = checkpoint or checkpoint_of(source, architecture, options)
    options = deployed_options(architecture, merge_options(source, checkpoint, options))
    crop = crop_of(source, architecture, checkpoint, input_size)
    published = checkpoint.published if checkpoint else source.published.get(architecture)
    build = partial(build_net, architecture, crop.size, options)
    net, fresh = _filled(build, classes, source, path, new_head)
    return LoadedNet(
        net=net,
        spec=get_spec(architecture, **options),
        source=source,
        normalisation=source.normalisation.in_rgb(),
        input=crop.policy(),
        parameters=count_parameters(net),
        macs=count_macs(net, crop.size),
        classes=classes,
        file_name=path.name,
        sha256=digest,
        published=None if fresh else published,
        untrained=f"new classifier of {classes} classes" if fresh else "",
    )


def _filled(
    build: Build,
    classes: int,
    source: WeightSource,
    path: Path,
    new_head: bool,
) -> tuple[nn.Module, bool]:
    """Return a net with the file's weights, taking RGB, and whether its head is a fresh one."""
    net = build_seeded(build, classes).eval()
    head = head_keys(build, classes) if new_head else frozenset()
    fresh = _arrange(net, source, source.read(path), path.name, head)
    if source.normalisation.order == "bgr":
        _reverse_input_channels(net)
    return net, bool(fresh)


def _check_architecture(architecture: str, source: WeightSource) -> None:
    if architecture not in source.architectures:
        raise WeightsError(
            f"{source.name} has weights for {', '.join(source.architectures)}, "
            f"not for {architecture}."
        )


def build_net(architecture: str, size: int, options: Options, classes: int) -> nn.Module:
    """Build a net for an input of `size` pixels; raises `ModelError`."""
    chosen: dict[str, Any] = dict(options)
    return create_model(architecture, num_classes=classes, input_size=size, **chosen)


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
    net: nn.Module,
    source: WeightSource,
    found: Mapping[str, Tensor],
    file_name: str,
    head: frozenset[str],
) -> bool:
    """Give the net the file's tensors; return whether its `head` was left fresh instead."""
    own = net.state_dict()
    layout = source.layout(list(own))
    wanted = {
        place.key: place.file_shape(own[key].shape)
        for key, place in layout.items()
        if not place.zero
    }
    found = {key: t for key, t in found.items() if not key.startswith(source.dropped)}
    heads = {layout[key].key for key in head if not layout[key].zero}
    fresh = any(key in found and tuple(found[key].shape) != wanted[key] for key in heads)
    if fresh:
        wanted = {key: shape for key, shape in wanted.items() if key not in heads}
        found = {key: tensor for key, tensor in found.items() if key not in heads}
    differences = layout_differences(wanted, {key: tuple(t.shape) for key, t in found.items()})
    if differences:
        raise WeightsError(
            f"{file_name} is not of {source.name}'s layout: {'; '.join(differences)}."
        )
    broken = [key for key in wanted if key in found and not torch.isfinite(found[key]).all()]
    if broken:
        raise WeightsError(f"{file_name} has values that are not finite in {broken[0]}.")
    net.load_state_dict({key: _taken(found, place, own[key]) for key, place in layout.items()})
    return fresh


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
    if place.zero:
        return torch.zeros_like(own)
    tensor = found.get(place.key)
    if tensor is None:  # a counter, or the head where it is fresh
        return own
    return tensor if place.axes is None else tensor.permute(place.axes)


def _reverse_input_channels(net: nn.Module) -> None:
    """Turn weights that expect BGR into the same for RGB, in the first convolution."""
    first = next(module for module in net.modules() if isinstance(module, nn.Conv2d))
    with torch.no_grad():
        first.weight.copy_(first.weight.flip(1))
