"""What is known about a net: the data that stands beside each builder.

Every net file ends with an `ARCHITECTURES` tuple of `Architecture` records; the registry answers
`get_spec` from them with a `ModelSpec`. Accuracies are fractions (0.706 is 70.6 %) on the
ImageNet-1k validation set, single crop.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from torch import nn

OptionValue = bool | int | float | str | None
# A complete, read-only set of options. Its values are `OptionValue`s, but only `Any` lets a type
# checker accept `create_model(name, **spec.variant)` beside that function's other arguments.
Variant = MappingProxyType[str, Any]


@dataclass(frozen=True, slots=True)
class Paper:
    """Where a net was published."""

    title: str
    year: int
    url: str


@dataclass(frozen=True, slots=True)
class PublishedAccuracy:
    """One published result: who measured it, on square inputs of `input_size` pixels."""

    source: str
    top1: float | None
    top5: float | None
    input_size: int

    @classmethod
    def from_percent(
        cls, source: str, top1: float, top5: float | None, input_size: int
    ) -> "PublishedAccuracy":
        """Take accuracies in percent, as tables print them."""
        return cls(
            source,
            round(top1 / 100, 6),
            None if top5 is None else round(top5 / 100, 6),
            input_size,
        )

    @classmethod
    def from_errors(
        cls, source: str, top1: float, top5: float | None, input_size: int
    ) -> "PublishedAccuracy":
        """Take error rates in percent."""
        return cls.from_percent(
            source, 100 - top1, None if top5 is None else 100 - top5, input_size
        )


@dataclass(frozen=True, slots=True)
class Option:
    """A variant argument: its type, default, meaning and (if closed) the values it may take.

    Fractional ones are all multipliers or epsilons, and must be above 0.
    """

    kind: type[bool] | type[int] | type[float] | type[str]
    default: OptionValue
    doc: str
    choices: tuple[OptionValue, ...] = ()


@dataclass(frozen=True, slots=True)
class TabledVariant:
    """Exact counts at 1000 classes and 3 channels for the variants that have these options.

    `macs` are the multiply-accumulates of convolutions and linear layers at the architecture's
    native input size, batch 1.
    """

    options: Mapping[str, OptionValue]
    parameters: int
    macs: int | None
    published: tuple[PublishedAccuracy, ...] = ()

    def covers(self, variant: Mapping[str, OptionValue]) -> bool:
        """Tell whether every option named here has this value in `variant`."""
        return all(variant[name] == value for name, value in self.options.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """One registered net.

    `build` takes keywords only: `num_classes`, `in_channels`, `input_size` (None for the paper's
    stem), the options of the variant, and `dropout` where the caller gave one.
    """

    name: str
    summary: str
    build: Callable[..., nn.Module]
    input_size: int
    minimum_input_size: int
    paper: Paper | None = None
    options: Mapping[str, Option] = field(default_factory=dict)
    table: tuple[TabledVariant, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """The facts about one variant of one architecture.

    `variant` is read-only and complete: every option, defaults filled in. `parameters` and `macs`
    are exact at 1000 classes, 3 channels and `input_size` pixels, and None where no table covers
    the variant. `paper` is None for the project's own nets.
    """

    architecture: str
    variant: Variant
    input_size: int
    parameters: int | None
    macs: int | None
    paper: Paper | None
    published: tuple[PublishedAccuracy, ...]
    summary: str
