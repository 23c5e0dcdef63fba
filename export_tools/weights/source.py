"""What is known about one public set of weights: where from, and how its file is laid out.

A `WeightSource` is data only; `export_tools.weights.load` turns it into a net.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from torch import Tensor

from models import OptionValue
from service.engine.manifest import PublishedAccuracy

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Normalisation:
    """(x - mean) / std by channel, on grey levels 0 to 255, in the channel order of the weights."""

    mean: Triple
    std: Triple
    order: Literal["rgb", "bgr"] = "rgb"

    def in_rgb(self) -> "Normalisation":
        """Return the same normalisation for channels in RGB order."""
        if self.order == "rgb":
            return self
        (m0, m1, m2), (s0, s1, s2) = self.mean, self.std
        return Normalisation((m2, m1, m0), (s2, s1, s0))


@dataclass(frozen=True, slots=True)
class PackagedFile:
    """A weights file inside an installed distribution, known by its hash."""

    distribution: str
    version: str
    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class FileTensor:
    """Where a tensor of the net lies in the file; `axes` permute the file's axes into the net's."""

    key: str
    axes: tuple[int, ...] | None = None

    def file_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the shape in the file of a tensor that has `shape` in the net."""
        if self.axes is None:
            return tuple(shape)
        result = [0] * len(shape)
        for place, axis in enumerate(self.axes):
            result[axis] = shape[place]
        return tuple(result)


Reader = Callable[[Path], dict[str, Tensor]]
Layout = Callable[[Sequence[str]], dict[str, FileTensor]]


def same_keys(keys: Sequence[str]) -> dict[str, FileTensor]:
    """Lay out a file whose keys are the net's own."""
    return {key: FileTensor(key) for key in keys}


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightSource:
    """One set of weights.

    `variant` are the options that the net must be built with, `published` the accuracy that its
    maker states, by architecture. Without `packaged` the user has to bring the file.
    """

    name: str
    architectures: tuple[str, ...]
    origin: str
    licence: str | None
    normalisation: Normalisation
    resize_shorter: int
    interpolation: Literal["bilinear", "bicubic"]
    read: Reader
    layout: Layout = same_keys
    variant: Mapping[str, OptionValue] = field(default_factory=lambda: MappingProxyType({}))
    published: Mapping[str, PublishedAccuracy] = field(default_factory=lambda: MappingProxyType({}))
    packaged: PackagedFile | None = None
