"""Probabilities to the answer of POST infer: JSON, or JSON and binary tensors."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_json
from starlette.responses import Response

from service.api.v2.request import Wanted, WantedOutput
from service.api.v2.schemas import LABEL_OUTPUT
from service.engine.pipeline import top_predictions
from service.engine.repository import ServedModel
from service.engine.session import OUTPUT_NAME


@dataclass(frozen=True, slots=True)
class _Tensor:
    datatype: str
    values: NDArray[np.float32] | NDArray[np.int64] | list[str]
    shape: list[int]

    def to_list(self) -> object:
        """Return the values in row-major order, as JSON has them."""
        return self.values if isinstance(self.values, list) else self.values.ravel().tolist()

    def to_bytes(self) -> bytes:
        """Return the values as the binary extension has them: little-endian, strings sized."""
        if not isinstance(self.values, list):
            return self.values.astype(self.values.dtype.newbyteorder("<"), copy=False).tobytes()
        encoded = [text.encode() for text in self.values]
        return b"".join(len(item).to_bytes(4, "little") + item for item in encoded)


def inference_response(
    wanted: Wanted, served: ServedModel, labels: tuple[str, ...], rows: NDArray[np.float32]
) -> Response:
    """Return the answer; `rows` are probabilities, float32 [images, classes]."""
    outputs: list[dict[str, object]] = []
    binary: list[bytes] = []
    for output in wanted.outputs:
        tensor = _tensor(output, labels, rows)
        entry: dict[str, object] = {
            "name": output.name, "datatype": tensor.datatype, "shape": tensor.shape
        }  # fmt: skip
        if output.binary:
            binary.append(tensor.to_bytes())
            entry["parameters"] = {"binary_data_size": len(binary[-1])}
        else:
            entry["data"] = tensor.to_list()
        outputs.append(entry)
    document: dict[str, object] = {
        "model_name": served.name,
        "model_version": str(served.version),
        **({} if wanted.id is None else {"id": wanted.id}),
        "outputs": outputs,
    }
    text = to_json(document)
    if not binary:
        return Response(text, media_type="application/json")
    return Response(
        b"".join((text, *binary)),
        headers={"Inference-Header-Content-Length": str(len(text))},
        media_type="application/octet-stream",
    )


def _tensor(output: WantedOutput, labels: tuple[str, ...], rows: NDArray[np.float32]) -> _Tensor:
    images = len(rows)
    if output.best:
        strings = [
            f"{found.probability:.6f}:{found.index}:{found.label}"
            for row in rows
            for found in top_predictions(row, labels, output.best)
        ]
        return _Tensor("BYTES", strings, [images, output.best])
    if output.name == OUTPUT_NAME:
        return _Tensor("FP32", rows, list(rows.shape))
    best = rows.argmax(axis=1)
    if output.name == LABEL_OUTPUT:
        return _Tensor("BYTES", [labels[i] for i in best], [images])
    return _Tensor("INT64", best.astype(np.int64), [images])
