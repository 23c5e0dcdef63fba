"""From a name to a net: the one registry, and the checks that stand before every builder.

A call goes name -> `Architecture` -> complete variant (unknown options refused, defaults filled
in) -> builder. The registry dict is filled once, by `models/__init__.py`.
"""

import difflib
import math
from collections.abc import Mapping
from types import MappingProxyType

from torch import nn

from models.errors import (
    DuplicateModelError,
    InputTooSmallError,
    InvalidOptionError,
    UnknownModelError,
    UnknownOptionError,
)
from models.spec import Architecture, ModelSpec, Option, OptionValue, Variant

_ARCHITECTURES: dict[str, Architecture] = {}


def register(architecture: Architecture) -> None:
    """Add a net; raises `DuplicateModelError` if its name is taken."""
    if architecture.name in _ARCHITECTURES:
        raise DuplicateModelError(f"model {architecture.name!r} is already registered")
    _ARCHITECTURES[architecture.name] = architecture


def list_models() -> list[str]:
    """Return the registered names, sorted."""
    return sorted(_ARCHITECTURES)


def get_architecture(name: str) -> Architecture:
    """Return the record behind a name; raises `UnknownModelError` listing close matches."""
    if name in _ARCHITECTURES:
        return _ARCHITECTURES[name]
    close = difflib.get_close_matches(name, list_models())
    hint = f"close matches: {', '.join(close)}" if close else f"known: {', '.join(list_models())}"
    raise UnknownModelError(f"unknown model {name!r}; {hint}")


def list_variants(name: str) -> list[Variant]:
    """Return the complete variants of a net whose counts are tabled, the default one first."""
    architecture = get_architecture(name)
    variants = [complete_variant(architecture, {})]
    for row in architecture.table:
        variant = complete_variant(architecture, row.options)
        if variant not in variants:
            variants.append(variant)
    return variants


def get_spec(name: str, **variant: OptionValue) -> ModelSpec:
    """Return the facts about one variant.

    Raises:
        UnknownModelError, UnknownOptionError, InvalidOptionError: as `create_model` does.

    """
    architecture = get_architecture(name)
    complete = complete_variant(architecture, variant)
    row = next((row for row in architecture.table if row.covers(complete)), None)
    return ModelSpec(
        architecture=name,
        variant=complete,
        input_size=architecture.input_size,
        parameters=row.parameters if row else None,
        macs=row.macs if row else None,
        paper=architecture.paper,
        published=row.published if row else (),
        summary=architecture.summary,
    )


def create_model(
    name: str,
    *,
    num_classes: int = 1000,
    in_channels: int = 3,
    input_size: int | None = None,
    dropout: float | None = None,
    **variant: OptionValue,
) -> nn.Module:
    """Build a net with fresh weights, in training mode.

    Args:
        name: one of `list_models()`.
        num_classes: length of the logits.
        in_channels: channels of the image, 3 for RGB and 1 for grey.
        input_size: side of the square input in pixels; the stem is fitted to it by the rule of
            `models.layers.stem_for`. None builds the paper's stem, whatever the input.
        dropout: probability before the classifier; None takes the paper's.
        variant: the net's own options, see `get_spec(name).variant`.

    Returns:
        A module from float images [batch, in_channels, height, width] to logits
        [batch, num_classes].

    Raises:
        UnknownModelError: no such net.
        UnknownOptionError: the net has no such option.
        InvalidOptionError: a value of the wrong type, or one the net cannot be built with.
        InputTooSmallError: `input_size` is below the net's minimum.

    """
    architecture = get_architecture(name)
    complete = complete_variant(architecture, variant)
    _check_positive("num_classes", num_classes)
    _check_positive("in_channels", in_channels)
    if input_size is not None:
        _check_positive("input_size", input_size)
        _check_input_size(architecture, input_size)
    chosen: dict[str, OptionValue] = dict(complete)
    if dropout is not None:
        if not 0.0 <= dropout < 1.0:
            raise InvalidOptionError(f"dropout must be at least 0 and below 1: {dropout}")
        chosen["dropout"] = dropout
    return architecture.build(
        num_classes=num_classes, in_channels=in_channels, input_size=input_size, **chosen
    )


def complete_variant(architecture: Architecture, variant: Mapping[str, OptionValue]) -> Variant:
    """Check a variant's options and fill in the defaults of the others."""
    unknown = sorted(set(variant) - set(architecture.options))
    if unknown:
        known = ", ".join(architecture.options) or "none"
        raise UnknownOptionError(
            f"{architecture.name} has no option {', '.join(unknown)}; its options: {known}"
        )
    return MappingProxyType(
        {
            name: _checked(f"{architecture.name}: {name}", option, variant[name])
            if name in variant
            else option.default
            for name, option in architecture.options.items()
        }
    )


def _checked(label: str, option: Option, value: OptionValue) -> OptionValue:
    if value is None and option.default is None:
        return None
    if option.kind is float and type(value) is int:
        value = float(value)
    # An exact type test: isinstance would let True pass for the integer 1.
    if type(value) is not option.kind:
        raise InvalidOptionError(f"{label} must be {option.kind.__name__}: {value!r}")
    if isinstance(value, float) and not 0.0 < value < math.inf:
        raise InvalidOptionError(f"{label} must be above 0 and finite: {value}")
    if option.choices and value not in option.choices:
        allowed = ", ".join(str(choice) for choice in option.choices)
        raise InvalidOptionError(f"{label} must be one of {allowed}: {value!r}")
    return value


def _check_positive(label: str, value: int) -> None:
    if type(value) is not int or value < 1:
        raise InvalidOptionError(f"{label} must be a positive integer: {value!r}")


def _check_input_size(architecture: Architecture, input_size: int) -> None:
    minimum = architecture.minimum_input_size
    if input_size < minimum:
        raise InputTooSmallError(
            f"{architecture.name} needs inputs of at least {minimum} px: {input_size}"
        )
