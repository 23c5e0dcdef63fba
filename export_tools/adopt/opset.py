"""Bring a graph to the opset of our graphs. Whether it still answers the same is for parity."""

import onnx
from onnx import ModelProto

from export_tools.errors import ExportError
from export_tools.graph_clean import OPSET


def to_our_opset(model: ModelProto) -> ModelProto:
    """Return the model under `OPSET`.

    Raises:
        ExportError: the converter cannot, with its reason.
    """
    found = next((item.version for item in model.opset_import if item.domain in {"", "ai.onnx"}), 1)
    if found == OPSET:
        return model
    try:
        return onnx.version_converter.convert_version(model, OPSET)
    except (RuntimeError, onnx.version_converter.ConvertError) as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise ExportError(
            f"It is of opset {found} and cannot be brought to {OPSET}: {reason}"
        ) from error
