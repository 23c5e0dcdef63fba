"""Classifiers in the forms that others make, and what is refused with its reason."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

from export_tools.adopt import Preprocessing, adopt_model
from export_tools.adopt.artifact import Adopted
from export_tools.errors import ExportError
from service.engine.session import OrtSession, SessionOptions
from service.errors import GateFailed, UnsafeGraph
from tests.export_tools.adopt.support import LABELS, SIZE, classifier, request, silent, weights

KERAS = Preprocessing(layout="NHWC", mean=(0.5,) * 3, std=(0.25,) * 3, value_range=1)


def adopt(model: ModelProto | bytes, **changes: Any) -> Adopted:
    return adopt_model(request(model, **changes), silent)


def operators(adopted: Adopted) -> list[str]:
    return [node.op_type for node in onnx.load_model_from_string(adopted.draft.graph).graph.node]


def keras_model() -> ModelProto:
    """NHWC in, a transpose, fixed batch, softmax: what tf2onnx makes."""
    return classifier(
        input_shape=(1, SIZE, SIZE, 3),
        front=[helper.make_node("Transpose", ["input"], ["x"], perm=[0, 3, 1, 2])],
        back=[helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1)],
        output="probabilities",
    )


def test_a_fixed_batch_and_logits_become_free_and_probabilities() -> None:
    adopted = adopt(classifier())
    assert (adopted.softmax_added, adopted.reshapes_freed) == (True, 1)
    session = OrtSession(adopted.draft.graph, SessionOptions())
    answers = session.run(np.random.default_rng(0).integers(0, 256, (5, 3, SIZE, SIZE), np.uint8))
    np.testing.assert_allclose(answers.sum(axis=1), 1, rtol=1e-5)
    manifest = adopted.draft.manifest
    assert manifest.provenance.weights_source == "adopted from theirs.onnx"
    assert (manifest.precision, manifest.input.resize_shorter) == ("fp32", 37)
    assert manifest.macs == 8 * 16 * 16 * 27 + 32


def test_a_keras_model_is_taken_in_its_own_layout() -> None:
    adopted = adopt(keras_model(), preprocessing=KERAS)
    assert not adopted.softmax_added
    assert operators(adopted)[:5] == ["Cast", "Mul", "Add", "Transpose", "Transpose"]


def test_a_free_batch_axis_stays_free() -> None:
    model = classifier(
        input_shape=("N", 3, SIZE, SIZE), flatten=(0, -1), output_shape=("N", len(LABELS))
    )
    assert adopt(model).reshapes_freed == 0


def test_a_free_size_takes_that_of_the_crop() -> None:
    model = classifier(input_shape=("N", 3, "H", "W"), flatten=(0, -1), output_shape=None)
    adopted = adopt(model, crop=48, resize=50)
    policy = adopted.draft.manifest.input
    assert (policy.height, policy.width, policy.resize_shorter) == (48, 48, 50)
    with pytest.raises(ExportError, match="give --crop"):
        adopt(model)


def test_an_answer_of_four_axes_is_flattened() -> None:
    model = classifier(
        back=[
            helper.make_node("Reshape", ["logits", "four"], ["map"]),
        ],
        output="map",
        output_shape=(1, len(LABELS), 1, 1),
    )
    shape = np.array([1, len(LABELS), 1, 1], np.int64)
    model.graph.initializer.append(numpy_helper.from_array(shape, "four"))
    assert adopt(model).reshapes_freed == 2


def test_bgr_weights_get_their_channels_in_their_order() -> None:
    adopted = adopt(classifier(), preprocessing=Preprocessing(std=(9.0, 8.0, 7.0), channels="BGR"))
    assert operators(adopted)[:4] == ["Gather", "Cast", "Mul", "Add"]


def test_a_uint8_input_is_passed_through() -> None:
    model = classifier(
        element=TensorProto.UINT8,
        front=[helper.make_node("Cast", ["input"], ["x"], to=TensorProto.FLOAT)],
    )
    adopted = adopt(model, preprocessing=Preprocessing())
    assert operators(adopted)[:2] == ["Identity", "Cast"]
    with pytest.raises(ExportError, match="normalises by itself"):
        adopt(model)


@pytest.mark.parametrize("element", [TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_other_floats_are_cast(element: int) -> None:
    model = classifier(
        element=element,
        front=[helper.make_node("Cast", ["input"], ["x"], to=TensorProto.FLOAT)],
        back=[helper.make_node("Cast", ["logits"], ["wide"], to=element)],
        output="wide",
        output_element=element,
    )
    adopted = adopt(model)
    assert adopted.draft.manifest.precision == (
        "fp16" if element == TensorProto.FLOAT16 else "fp32"
    )


class Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self) -> None:
        random = np.random.default_rng(1)
        self.rest = [random.normal(size=(1, 3, SIZE, SIZE)).astype(np.float32) for _ in range(4)]

    def get_next(self) -> dict[str, Any] | None:
        return {"input": self.rest.pop()} if self.rest else None


@pytest.mark.parametrize("form", [QuantFormat.QDQ, QuantFormat.QOperator], ids=str)
def test_an_already_quantised_model_is_taken_as_it_is(form: QuantFormat, tmp_path: Path) -> None:
    onnx.save(classifier(), tmp_path / "float.onnx")
    source, target = tmp_path / "float.onnx", tmp_path / "int8.onnx"
    quantize_static(source, target, Reader(), quant_format=form)
    adopted = adopt(target.read_bytes())
    assert adopted.draft.manifest.precision == "int8"
    quantised = "QLinearConv" if form == QuantFormat.QOperator else "QuantizeLinear"
    assert quantised in operators(adopted)


def test_a_fixed_batch_of_four_is_freed() -> None:
    model = classifier(
        input_shape=(4, 3, SIZE, SIZE), flatten=(4, 8), output_shape=(4, len(LABELS))
    )
    assert adopt(model).reshapes_freed == 1


def test_one_of_several_outputs_is_named() -> None:
    model = classifier(
        outputs=[helper.make_tensor_value_info("f", TensorProto.FLOAT, [1, 8])],
    )
    with pytest.raises(ExportError, match=r"outputs are logits, f: name .* --output"):
        adopt(model)
    assert adopt(model, output="logits").softmax_added


def test_no_softmax_is_believed_only_of_probabilities() -> None:
    with pytest.raises(ExportError, match="do not add up to 1"):
        adopt(classifier(), softmax=False)
    assert not adopt(keras_model(), preprocessing=KERAS, softmax=False).softmax_added


def test_a_model_that_is_unsure_on_its_photo_needs_to_be_allowed() -> None:
    model = classifier()
    matrix = next(tensor for tensor in model.graph.initializer if tensor.name == "matrix")
    matrix.CopyFrom(numpy_helper.from_array(weights(8, 4) * 0.01, "matrix"))
    with pytest.raises(GateFailed, match="give one where it is sure"):
        adopt(model, unsure=False)


def hard_coded_batch() -> ModelProto:
    """A batch of one in a concatenation, which is no reshape."""
    model = classifier(
        front=[
            helper.make_node("Concat", ["input", "extra"], ["both"], axis=1),
            helper.make_node("Slice", ["both", "zero", "three", "one"], ["x"]),
        ]
    )
    extra: dict[str, NDArray[Any]] = {
        "extra": weights(1, 1, SIZE, SIZE),
        "zero": np.array([0], np.int64),
        "three": np.array([3], np.int64),
        "one": np.array([1], np.int64),
    }
    model.graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in extra.items())
    return model


def two_inputs() -> ModelProto:
    return classifier(inputs=[helper.make_tensor_value_info("other", TensorProto.FLOAT, [1])])


def custom_operator() -> ModelProto:
    model = classifier()
    model.graph.node[0].domain = "somebody"
    model.opset_import.append(helper.make_opsetid("somebody", 1))
    return model


def external_data() -> ModelProto:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.onnx"
        onnx.save(
            classifier(),
            path,
            save_as_external_data=True,
            location="weights",
            size_threshold=0,
        )
        return onnx.load(path, load_external_data=False)


REFUSED: dict[str, tuple[Any, dict[str, Any], type[Exception], str]] = {
    "two inputs": (two_inputs, {}, ExportError, r"2 inputs \(input, other\)"),
    "external data": (external_data, {}, UnsafeGraph, "external data"),
    "custom operator": (custom_operator, {}, UnsafeGraph, "domain 'somebody'"),
    "rank three": (
        lambda: classifier(input_shape=(3, SIZE, SIZE)),
        {},
        ExportError,
        "has 3 axes",
    ),
    "integers": (
        lambda: classifier(element=TensorProto.INT32),
        {},
        ExportError,
        "input is int32",
    ),
    "labels": (classifier, {"labels": ("a", "b")}, ExportError, "4 classes, .* 2 lines"),
    "layout": (classifier, {"preprocessing": KERAS}, ExportError, "other --layout"),
    "crop": (classifier, {"crop": 64}, ExportError, "32 x 32 px, --crop 64 is not"),
    "resize": (classifier, {"resize": 8}, ExportError, "smaller than the crop"),
    "sigmoid": (
        lambda: classifier(back=[helper.make_node("Sigmoid", ["logits"], ["each"])], output="each"),
        {},
        ExportError,
        "ends in a sigmoid",
    ),
    "hard-coded batch": (hard_coded_batch, {}, ExportError, "batch size is written into"),
    "no model": (lambda: b"text", {}, Exception, "not an ONNX model"),
    "integer answer": (
        lambda: classifier(
            back=[helper.make_node("ArgMax", ["logits"], ["best"], axis=1)],
            output="best",
            output_element=TensorProto.INT64,
            output_shape=None,
        ),
        {},
        ExportError,
        "best is int64",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_taken_is_refused_with_the_reason(case: str) -> None:
    make, changes, kind, text = REFUSED[case]
    with pytest.raises(kind, match=text):
        adopt(make(), **changes)
