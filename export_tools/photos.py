"""The photos that the exporter works with: calibration, gates, self-test.

Calibration and self-test use only photos in the public domain or under CC0, out of those that the
wheel of scikit-image holds (its others, such as the stereo motorcycle, are neither). Gates use
the twenty labelled ImageNet photos of foolbox, which never enter an artifact.
"""

import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from export_tools.errors import DataError
from export_tools.installed import installed_files, installed_version


@dataclass(frozen=True, slots=True)
class FreePhoto:
    """A photo of scikit-image, with what its documentation says of its licence."""

    file: str
    licence: str
    author: str


CALIBRATION_PHOTOS = (
    FreePhoto("astronaut.png", "public domain", "NASA"),
    FreePhoto("chelsea.png", "CC0", "Stefan van der Walt"),
    FreePhoto("coffee.png", "CC0", "Rachel Michetti"),
    FreePhoto("hubble_deep_field.jpg", "public domain", "NASA"),
    FreePhoto("retina.jpg", "CC0", "Häggström"),
    FreePhoto("rocket.jpg", "public domain", "SpaceX"),
)

_LABELLED = re.compile(r"foolbox/data/imagenet_\d+_(\d+)\.jpg")


@dataclass(frozen=True, slots=True)
class LabelledPhoto:
    """A photo and the index of its class."""

    path: Path
    index: int


def calibration_photos() -> list[Path]:
    """Return the free photos of scikit-image, always in the same order.

    Raises:
        DataError: scikit-image is not installed, or without one of them.
    """
    wanted = [f"skimage/data/{photo.file}" for photo in CALIBRATION_PHOTOS]
    found = installed_files("scikit-image", wanted.__contains__)
    missing = [path for path in wanted if path not in found]
    if missing:
        raise DataError(f"scikit-image is installed without {', '.join(missing)}.")
    return [found[path] for path in wanted]


def gate_photos() -> list[LabelledPhoto]:
    """Return foolbox's twenty labelled ImageNet photos, in the order of their names.

    Raises:
        DataError: foolbox is not installed, or without them.
    """
    found = installed_files("foolbox", lambda path: _LABELLED.fullmatch(path) is not None)
    if not found:
        raise DataError("foolbox is installed without its ImageNet photos.")
    return [
        LabelledPhoto(place, int(match[1]))
        for path, place in sorted(found.items())
        if (match := _LABELLED.fullmatch(path))
    ]


def gate_data_name() -> str:
    """Name the gate's photos with their version, as manifests do."""
    return f"ImageNet photos of foolbox {installed_version('foolbox')}"


def selftest_photo() -> bytes:
    """Return the self-test photo, a JPEG: `coffee.png` of scikit-image (CC0) at 400 x 267."""
    return resources.files("export_tools").joinpath("data", "selftest.jpg").read_bytes()
