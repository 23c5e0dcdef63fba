"""Run the original as it is, with the preprocessing in numpy: what parity compares with."""

from collections.abc import Sequence

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from export_tools.adopt.original import Original, Preprocessing
from export_tools.errors import ExportError


class Reference:
    """The original in the runtime; takes the uint8 images that the adopted graph takes."""

    def __init__(self, data: bytes, original: Original, preprocessing: Preprocessing) -> None:
        """Load it; raises `ExportError` where the runtime cannot."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the runtime's errors share no narrower base
            raise ExportError(f"ONNX Runtime cannot load it: {_first_line(error)}") from error
        self._original, self._preprocessing = original, preprocessing

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Answer images uint8 [n, 3, height, width], as many at once as the original takes.

        Returns:
            Its answers as they are, float32 [n, ...].

        Raises:
            ExportError: it cannot be run on such images.
        """
        step = self._original.batch or 1
        inputs = prepare(images, self._preprocessing).astype(self._original.dtype)
        rows = []
        for start in range(0, len(images), step):
            chunk = inputs[start : start + step]
            missing = step - len(chunk)
            full = np.concatenate([chunk, *[chunk[-1:]] * missing]) if missing else chunk
            rows.append(self._run(full)[: len(chunk)])
        return np.concatenate(rows).astype(np.float32)

    def _run(self, inputs: NDArray[np.generic]) -> NDArray[np.float32]:
        try:
            (answer,) = self._session.run([self._original.output], {self._original.input: inputs})
        except Exception as error:  # the runtime's errors share no narrower base
            raise ExportError(f"ONNX Runtime cannot run it: {_first_line(error)}") from error
        result: NDArray[np.float32] = answer
        return result


def prepare(images: NDArray[np.uint8], preprocessing: Preprocessing) -> NDArray[np.float64]:
    """Preprocess RGB planes [n, 3, h, w] by the user's words, in the net's layout and order."""
    values = images[:, ::-1] if preprocessing.channels == "BGR" else images
    shape = (1, 3, 1, 1)
    mean, std = (np.reshape(v, shape) for v in (preprocessing.mean, preprocessing.std))
    prepared: NDArray[np.float64] = (values * (preprocessing.value_range / 255) - mean) / std
    return prepared.transpose(0, 2, 3, 1) if preprocessing.layout == "NHWC" else prepared


def flatten_answers(raw: NDArray[np.float32], labels: Sequence[str]) -> NDArray[np.float32]:
    """Return answers as [n, classes].

    Raises:
        ExportError: they are not one number a class, or there is another number of labels.
    """
    if raw.ndim not in (2, 4) or raw[0].size != max(raw.shape[1:]):
        raise ExportError(f"Its answer is {list(raw.shape)}; a classifier's is [batch, classes].")
    flat = raw.reshape(len(raw), -1)
    if flat.shape[1] != len(labels):
        raise ExportError(
            f"It has {flat.shape[1]} classes, the labels have {len(labels)} lines: "
            "there must be one label a class, in the net's order."
        )
    return flat


def needs_softmax(answers: NDArray[np.float32], last: str, wanted: bool | None) -> bool:
    """Decide whether answers [n, classes] still need a softmax.

    Args:
        answers: those of some images.
        last: the operator that makes them.
        wanted: what the user said, if anything.

    Raises:
        ExportError: they are probabilities of single labels, or are not what the user said.
    """
    sums = answers.sum(axis=1, dtype=np.float64)
    probabilities = bool(answers.min() >= -1e-6 and np.abs(sums - 1).max() <= 1e-3)
    if wanted is False and not probabilities:
        raise ExportError("Its answers do not add up to 1, so --no-softmax cannot be right.")
    if wanted is None and not probabilities and last == "Sigmoid":
        raise ExportError(
            "It ends in a sigmoid: each label has a probability of its own, and an artifact's "
            "answer is one of several classes."
        )
    return not probabilities if wanted is None else wanted


def softmax_rows(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the softmax of each row."""
    powers = np.exp(values - values.max(axis=1, keepdims=True), dtype=np.float64)
    result: NDArray[np.float32] = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return result


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]
