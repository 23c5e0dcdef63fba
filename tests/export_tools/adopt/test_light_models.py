"""Models that this project did not make: the light models of onnx's own backend tests."""

import numpy as np
import onnx
import pytest

from export_tools.adopt import Preprocessing, adopt_model
from export_tools.adopt.original import read_original
from export_tools.publish import publish
from tests.export_tools.adopt.support import LIGHT, light_model, request, silent

LABELS = tuple(f"class {index}" for index in range(1000))
CAFFE = Preprocessing(mean=(104.0, 117.0, 123.0), std=(40.0, 40.0, 40.0), channels="BGR")


@pytest.mark.parametrize(
    ("name", "head", "softmax_added", "reshapes", "macs"),
    [
        ("squeezenet", 1.0, False, 0, 349_151_936),
        ("shufflenet", 0.0005, False, 33, 124_664_528),
        ("inception_v1", 1.0, False, 1, 1_431_556_352),
        ("densenet121", 1.0, True, 0, 2_834_161_664),
    ],
)
def test_a_published_model_is_adopted_and_served(
    name: str, head: float, softmax_added: bool, reshapes: int, macs: int, tmp_path: object
) -> None:
    adopted = adopt_model(
        request(light_model(name, head), name=name, labels=LABELS, preprocessing=CAFFE), silent
    )
    assert adopted.softmax_added is softmax_added
    assert adopted.reshapes_freed == reshapes
    assert adopted.parity.max_difference < 1e-5
    assert adopted.draft.manifest.macs == macs
    assert 0.005 < adopted.draft.manifest.selftest.probability < 0.99  # answers that can differ
    publish(adopted.draft, tmp_path)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["resnet50", "inception_v2", "zfnet512", "bvlc_alexnet", "vgg19"])
def test_the_other_light_models_are_of_a_form_that_can_be_taken(name: str) -> None:
    original = read_original((LIGHT / f"light_{name}.onnx").read_bytes(), CAFFE, None)
    assert (original.batch, original.height, original.width) == (1, 224, 224)
    assert len(original.model.graph.input) == 1


def test_constant_weights_stay_nodes_so_that_the_file_stays_small() -> None:
    data = (LIGHT / "light_squeezenet.onnx").read_bytes()
    adopted = adopt_model(request(data, labels=LABELS, preprocessing=CAFFE), silent)
    graph = onnx.load_model_from_string(adopted.draft.graph)
    assert adopted.draft.manifest.file_bytes < 20_000
    assert all(np.prod(tensor.dims) <= 1000 for tensor in graph.graph.initializer)
