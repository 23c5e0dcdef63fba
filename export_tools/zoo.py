"""All that can be built by name: the rows of the table of nets, with what they cost.

A row is a variant at an input size. The tabled variants of `models` come at their own size;
MobileNet's resolution multiplier and the sizes at which public checkpoints run come on top.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from models import OptionValue, count_macs, count_parameters, create_model, get_spec, list_variants
from models.registry import get_architecture, list_models

_MORE_SIZES = {
    "squeezenet1_0": (227,),
    "squeezenet1_1": (227,),
    "mobilenet_v1": (192, 160, 128),
    "efficientnet_lite3": (300,),
    "efficientnet_lite4": (224, 380),
}
# Arithmetic of public weights that no table of counts tells apart.
_MORE_VARIANTS: tuple[tuple[str, dict[str, OptionValue]], ...] = (
    ("mobilenet_v1", {"padding": "same", "bn_eps": 1e-3}),
    ("mobilenet_v1", {"activation": "relu"}),
    ("shufflenet_v1", {"shuffle_order": "megvii"}),
    ("xception", {"padding": "same", "bn_eps": 1e-3}),
    ("efficientnet_lite0", {"padding": "same", "bn_eps": 1e-3}),
)


@dataclass(frozen=True, slots=True)
class ZooRow:
    """A variant (the options that differ from the default) at an input size in pixels."""

    architecture: str
    input_size: int
    options: Mapping[str, OptionValue] = field(default_factory=dict)

    def __str__(self) -> str:
        chosen = ", ".join(f"{name}={value}" for name, value in self.options.items())
        return f"{self.architecture} {chosen}".strip()

    @property
    def model_name(self) -> str:
        """A name that an artifact of this row can have."""
        parts = [self.architecture, *(f"{k}-{v}" for k, v in self.options.items())]
        return "_".join([*parts, str(self.input_size)]).lower().replace(" ", "")

    def counts(self) -> tuple[int, int]:
        """Count parameters and MACs of the net, with its auxiliary classifiers if it has them.

        It is built without storage, so this costs no arithmetic.
        """
        options: dict[str, Any] = dict(self.options)
        with torch.device("meta"):
            net = create_model(self.architecture, input_size=self.input_size, **options)
        counted = _AllHeads(net) if self.options.get("aux") else net
        return count_parameters(net), count_macs(counted, self.input_size)


class _AllHeads(nn.Module):
    """A net in training: `forward` runs its auxiliary classifiers as well."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        """Map images to the logits of the main classifier."""
        logits: Tensor = self.net.forward_with_aux(x).logits  # type: ignore[operator]
        return logits


def zoo_rows() -> Iterator[ZooRow]:
    """Yield every tabled variant at every size, the nets in alphabetical order.

    Of the nets without a shuffle, which changes no count, those of the paper's ablation.
    """
    for name in list_models():
        native = get_spec(name).input_size
        defaults = get_spec(name).variant
        variants = [dict(variant) for variant in list_variants(name)]
        variants += [{**defaults, **more} for net, more in _MORE_VARIANTS if net == name]
        for variant in variants:
            if variant.get("shuffle") is False and not get_spec(name, **variant).published:
                continue
            chosen = {key: value for key, value in variant.items() if value != defaults[key]}
            sizes = (native, *_MORE_SIZES.get(name, ()))
            for size in sizes if _is_tabled(name, chosen) else (native,):
                yield ZooRow(name, size, chosen)


def exported_rows() -> Iterator[ZooRow]:
    """Yield the rows that export to different graphs: auxiliary classifiers are gone by then."""
    return (row for row in zoo_rows() if not row.options.get("aux"))


def _is_tabled(name: str, chosen: Mapping[str, OptionValue]) -> bool:
    """Tell whether a variant is in the net's own table, and so at all of its sizes."""
    return all(
        any(option in row.options for row in get_architecture(name).table) for option in chosen
    )
