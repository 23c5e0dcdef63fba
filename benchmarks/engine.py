"""The engine as the benchmarks use it: the only file here that knows its functions."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.engine.artifact import LoadedModel, load_artifact
from service.engine.decode import DecodeLimits
from service.engine.manifest import Manifest, read_manifest
from service.engine.pipeline import image_to_planes
from service.engine.session import SessionOptions

FP32 = "squeezenet1_1"
INT8 = "squeezenet1_1-int8"
SHIPPED = (INT8, FP32, "efficientnet_lite0-int8")
STAGES = ("decode", "preprocess", "inference", "postprocess")

Planes = NDArray[np.uint8]
Classifier = Callable[[bytes], int]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model made of one photo, with the time of each stage in ms."""

    index: int
    label: str
    probability: float
    stages_ms: tuple[float, ...]


class Model:
    """A loaded model, its session on one thread."""

    def __init__(self, repository: Path, name: str, reducing_gap: float | None = None) -> None:
        self._model: LoadedModel = load_artifact(version_folder(repository, name), SessionOptions())
        default = DecodeLimits()
        self._limits = replace(default, reducing_gap=reducing_gap or default.reducing_gap)

    @property
    def manifest(self) -> Manifest:
        return self._model.manifest

    @property
    def selftest_photo(self) -> bytes:
        return self._model.selftest_image

    def classify(self, photo: bytes) -> Answer:
        """Do all the work of one request on this thread."""
        result = self._model.classify(photo, 5, self._limits)
        best = result.predictions[0]
        times = tuple(float(getattr(result.times, stage)) for stage in STAGES)
        return Answer(best.index, best.label, best.probability, times)

    def preprocess(self, photo: bytes) -> Planes:
        """Decode, resize and crop as a request would; uint8 [3, height, width]."""
        policy = self.manifest.input
        planes = np.empty((3, policy.height, policy.width), np.uint8)
        image_to_planes(photo, policy, self._limits, planes)
        return planes

    def probabilities(self, planes: Planes) -> NDArray[np.float32]:
        """Run the session on one image's planes; float32 [classes]."""
        result: NDArray[np.float32] = self._model.session.run(planes[None])[0]
        return result


def classifier(repository: Path, name: str) -> Classifier:
    """Return the whole in-process work as a function: photo to index of the best class."""
    model = Model(repository, name)
    return lambda photo: model.classify(photo).index


def version_folder(repository: Path, name: str) -> Path:
    """Return the folder of the highest version of a model."""
    versions = [path for path in (repository / name).iterdir() if path.name.isdigit()]
    return max(versions, key=lambda path: int(path.name))


def manifest_of(repository: Path, name: str) -> Manifest:
    """Return a model's manifest."""
    return read_manifest(version_folder(repository, name))


def shipped_in(repository: Path) -> list[str]:
    """Return those of the shipped models that the repository has, the default one first."""
    return [name for name in SHIPPED if (repository / name).is_dir()]
