"""Where weights come from: one module a source, all in the table below."""

from export_tools.errors import WeightsError
from export_tools.weights.efficientnet_lite0 import EFFICIENTNET_LITE0
from export_tools.weights.load import LoadedNet, load_net, packaged_file
from export_tools.weights.ndf import NDF
from export_tools.weights.source import Normalisation, WeightSource
from export_tools.weights.torchvision import TORCHVISION

__all__ = [
    "SOURCES",
    "LoadedNet",
    "Normalisation",
    "WeightSource",
    "get_source",
    "load_net",
    "packaged_file",
    "sources_of",
]

SOURCES = {source.name: source for source in (EFFICIENTNET_LITE0, NDF, TORCHVISION)}


def get_source(name: str) -> WeightSource:
    """Return the source of that name; raises `WeightsError` naming all of them."""
    try:
        return SOURCES[name]
    except KeyError:
        raise WeightsError(
            f"There is no weight source {name!r}; there are {', '.join(SOURCES)}."
        ) from None


def sources_of(architecture: str) -> list[WeightSource]:
    """Return the sources that have weights for an architecture."""
    return [source for source in SOURCES.values() if architecture in source.architectures]
