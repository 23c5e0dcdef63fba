"""config.pbtxt holds Triton's own schema, and agrees with the graph that it describes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from google.protobuf import text_format

from export_tools.draft import Draft
from export_tools.triton import triton_config
from service.engine.manifest import LABELS_FILE, MODEL_FILE
from tests.support.process import ROOT
from tests.support.triton_schema import SCHEMA

SHIPPED = sorted((ROOT / "model_repository").glob("*/config.pbtxt"))


def read(text: str) -> Any:
    """Parse a configuration; an unknown field or a value of another type is an error."""
    return text_format.Parse(text, SCHEMA.ModelConfig())


def test_the_configuration_describes_the_model(make_draft: Callable[[str], Draft]) -> None:
    config = read(triton_config(make_draft("tiny").with_version(3).manifest))
    assert (config.name, config.platform) == ("tiny", "onnxruntime_onnx")
    assert config.max_batch_size > 0
    (image,) = config.input
    assert (image.name, image.data_type, list(image.dims)) == (
        "image", SCHEMA.TYPE_UINT8, [3, 32, 32],
    )  # fmt: skip
    (answer,) = config.output
    assert (answer.name, answer.data_type, list(answer.dims)) == (
        "probabilities", SCHEMA.TYPE_FP32, [4],
    )  # fmt: skip
    assert answer.label_filename == "3/labels.txt"
    assert {field.name for field, _ in config.ListFields()} == {
        "name", "platform", "max_batch_size", "input", "output",
    }  # fmt: skip


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parent.name)
def test_what_ships_is_as_triton_wants_it(path: Path) -> None:
    config = read(path.read_text(encoding="utf-8"))
    assert config.name == path.parent.name
    version = path.parent / "1"
    assert config.default_model_filename in {"", MODEL_FILE}
    assert config.output[0].label_filename == f"1/{LABELS_FILE}"
    assert (version / LABELS_FILE).is_file()
    graph = onnx.load(version / MODEL_FILE).graph
    for tensor, node in ((config.input[0], graph.input[0]), (config.output[0], graph.output[0])):
        batch, *sizes = node.type.tensor_type.shape.dim
        assert batch.dim_param, "Triton batches along the first axis, which must be open"
        assert list(tensor.dims) == [size.dim_value for size in sizes]
        assert tensor.name == node.name
        kind = {SCHEMA.TYPE_UINT8: onnx.TensorProto.UINT8, SCHEMA.TYPE_FP32: onnx.TensorProto.FLOAT}
        assert kind[tensor.data_type] == node.type.tensor_type.elem_type


def test_the_schema_refuses_what_is_not_in_it() -> None:
    text = SHIPPED[0].read_text(encoding="utf-8")
    for wrong in ("shape: 3\n", 'max_batch_size: "many"\n', "input { data_type: TYPE_UINT9 }\n"):
        with pytest.raises(text_format.ParseError):
            read(text + wrong)
