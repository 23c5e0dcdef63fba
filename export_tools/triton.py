"""config.pbtxt: what makes the same folder a model of NVIDIA Triton's ONNX Runtime backend."""

from service.engine.manifest import LABELS_FILE, Manifest
from service.engine.session import INPUT_NAME, OUTPUT_NAME

MAX_BATCH_SIZE = 32


def triton_config(manifest: Manifest) -> str:
    """Return the configuration of a model, in the text form of Triton's ModelConfig.

    The batch axis is not among `dims` there; labels are named relative to the model's folder.
    """
    height, width = manifest.input.height, manifest.input.width
    return f"""\
name: "{manifest.name}"
platform: "onnxruntime_onnx"
max_batch_size: {MAX_BATCH_SIZE}
input [
  {{
    name: "{INPUT_NAME}"
    data_type: TYPE_UINT8
    dims: [ 3, {height}, {width} ]
  }}
]
output [
  {{
    name: "{OUTPUT_NAME}"
    data_type: TYPE_FP32
    dims: [ {manifest.classes} ]
    label_filename: "{manifest.version}/{LABELS_FILE}"
  }}
]
"""
