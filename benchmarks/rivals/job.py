"""The job that every rival does for a request: JPEG bytes to the five best labels.

Pillow, numpy and ONNX Runtime in the versions that Featherbox uses, the same ONNX file, one
intra-op thread. Imported inside the rivals' environments, so nothing of `service` is used here.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import onnxruntime as ort

from benchmarks.plain import Policy, crop_while_resizing, decode, resize_and_crop, to_planes

Crop = Literal["plain", "box"]
Prediction = dict[str, str | int | float]


class Job:
    """Loads the model once, then classifies photo after photo."""

    def __init__(self, model_file: Path, labels_file: Path, crop: Crop = "plain") -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        providers = ["CPUExecutionProvider"]
        self._session = ort.InferenceSession(str(model_file), options, providers=providers)
        self._labels = labels_file.read_text(encoding="utf-8").splitlines()
        self._crop = resize_and_crop if crop == "plain" else crop_while_resizing
        self._policy = Policy()

    def __call__(self, photo: bytes) -> list[Prediction]:
        """Classify one photo."""
        planes = to_planes(self._crop(decode(photo), self._policy))
        (probabilities,) = self._session.run(None, {"image": planes[None]})
        best = np.argsort(probabilities[0])[:-6:-1]
        return [
            {
                "label": self._labels[index],
                "index": int(index),
                "probability": float(probabilities[0][index]),
            }
            for index in best
        ]


def environment_of(version_folder: Path, crop: Crop) -> Mapping[str, str]:
    """Return the variables that tell a rival's app which model to load."""
    return {
        "JOB_MODEL": str((version_folder / "model.onnx").resolve()),
        "JOB_LABELS": str((version_folder / "labels.txt").resolve()),
        "JOB_CROP": crop,
    }


def job_from_environment() -> Job:
    """Make the job that `environment_of` describes."""
    crop: Crop = "box" if os.environ["JOB_CROP"] == "box" else "plain"
    return Job(Path(os.environ["JOB_MODEL"]), Path(os.environ["JOB_LABELS"]), crop)


def port_from_environment() -> int:
    """Return the port to listen on."""
    return int(os.environ["JOB_PORT"])
