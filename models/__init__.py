"""Lightweight image classifiers in PyTorch, one file per paper.

`create_model` builds a net by name, `get_spec` tells what is known about it, `list_models` names
them all. The nets return raw logits; normalisation and softmax belong to the exporter.
"""

from models import (
    efficientnet_lite,
    googlenet,
    lightweight_cnn,
    lite_inception,
    mobilenet_v1,
    shufflenet_v1,
    squeezenet,
    xception,
)
from models.counting import count_macs, count_parameters
from models.errors import (
    DuplicateModelError,
    InputTooSmallError,
    InvalidOptionError,
    ModelError,
    UnknownModelError,
    UnknownOptionError,
)
from models.registry import create_model, get_spec, list_models, list_variants, register
from models.spec import ModelSpec, OptionValue, Paper, PublishedAccuracy

__all__ = [
    "DuplicateModelError",
    "InputTooSmallError",
    "InvalidOptionError",
    "ModelError",
    "ModelSpec",
    "OptionValue",
    "Paper",
    "PublishedAccuracy",
    "UnknownModelError",
    "UnknownOptionError",
    "count_macs",
    "count_parameters",
    "create_model",
    "get_spec",
    "list_models",
    "list_variants",
]

for _architecture in (
    *squeezenet.ARCHITECTURES,
    *mobilenet_v1.ARCHITECTURES,
    *shufflenet_v1.ARCHITECTURES,
    *xception.ARCHITECTURES,
    *googlenet.ARCHITECTURES,
    *lite_inception.ARCHITECTURES,
    *lightweight_cnn.ARCHITECTURES,
    *efficientnet_lite.ARCHITECTURES,
):
    register(_architecture)
