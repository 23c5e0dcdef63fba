"""config.pbtxt says what Triton's ONNX Runtime backend needs, and agrees with the graph."""

import re
from collections.abc import Callable

from export_tools.draft import Draft
from export_tools.triton import triton_config


def test_the_configuration_describes_the_model(make_draft: Callable[[str], Draft]) -> None:
    text = triton_config(make_draft("tiny").with_version(3).manifest)
    assert re.findall(r'^name: "(.*)"$', text, re.MULTILINE) == ["tiny"]
    assert 'platform: "onnxruntime_onnx"' in text
    assert re.search(r"^max_batch_size: [1-9]\d*$", text, re.MULTILINE)
    assert re.findall(r"data_type: (\w+)", text) == ["TYPE_UINT8", "TYPE_FP32"]
    assert re.findall(r"dims: \[ (.*) \]", text) == ["3, 32, 32", "4"]
    assert 'label_filename: "3/labels.txt"' in text
    assert text.count("{") == text.count("}") == 2
    assert text.count("[") == text.count("]") == 4
