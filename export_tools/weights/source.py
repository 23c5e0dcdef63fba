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
from service.engine.manifest import InputPolicy, Interpolation, PublishedAccuracy

Triple = tuple[float, float, float]
IMAGENET_MEAN: Triple = (123.675, 116.28, 103.53)  # 0.485, 0.456, 0.406 of 255
IMAGENET_STD: Triple = (58.395, 57.12, 57.375)  # 0.229, 0.224, 0.225 of 255
HALF: Triple = (127.5, 127.5, 127.5)


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
    """Where a tensor of the net lies in the file; `axes` permute the file's axes into the net's.

    What is `zero` is in no file of the layout: a bias that the other net does not have.
    """

    key: str
    axes: tuple[int, ...] | None = None
    zero: bool = False

    def file_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the shape in the file of a tensor that has `shape` in the net."""
        if self.axes is None:
            return tuple(shape)
        result = [0] * len(shape)
        for place, axis in enumerate(self.axes):
            result[axis] = shape[place]
        return tuple(result)


@dataclass(frozen=True, slots=True)
class Crop:
    """Side of the square input and of the shorter side before the crop, in pixels."""

    size: int
    resize_shorter: int
    interpolation: Interpolation = "bicubic"

    def at(self, size: int) -> "Crop":
        """Return the crop of the same share of the photo at another input size."""
        resize = max(size, round(self.resize_shorter * size / self.size))
        return Crop(size, resize, self.interpolation)

    def policy(self) -> InputPolicy:
        """Return it as manifests have it."""
        return InputPolicy(
            height=self.size,
            width=self.size,
            resize_shorter=self.resize_shorter,
            interpolation=self.interpolation,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A published file: its name in its library, the file's name, the net that it is for.

    `variant` are options beside those of the source; `crop` is None where it is the source's.
    """

    name: str
    architecture: str
    file: str
    variant: Mapping[str, OptionValue] = field(default_factory=lambda: MappingProxyType({}))
    crop: Crop | None = None
    published: PublishedAccuracy | None = None


Reader = Callable[[Path], dict[str, Tensor]]
Layout = Callable[[Sequence[str]], dict[str, FileTensor]]


def same_keys(keys: Sequence[str]) -> dict[str, FileTensor]:
    """Lay out a file whose keys are the net's own."""
    return {key: FileTensor(key) for key in keys}


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightSource:
    """One set of weights.

    `variant` are the options that the net must be built with, `published` the accuracy that its
    maker states, by architecture. Without `packaged` the user has to bring the file, or names one
    of the `checkpoints` by `library:name`. Tensors under `dropped` are not part of the net.
    """

    name: str
    architectures: tuple[str, ...]
    origin: str
    licence: str | None
    normalisation: Normalisation
    resize_shorter: int
    interpolation: Interpolation
    read: Reader
    layout: Layout = same_keys
    variant: Mapping[str, OptionValue] = field(default_factory=lambda: MappingProxyType({}))
    published: Mapping[str, PublishedAccuracy] = field(default_factory=lambda: MappingProxyType({}))
    packaged: PackagedFile | None = None
    library: str | None = None
    checkpoints: tuple[Checkpoint, ...] = ()
    dropped: tuple[str, ...] = ()
