"""The int8 draft holds the gates and tells how it was made."""

import onnx
import pytest

from export_tools.errors import ExportError
from export_tools.fp32 import Fp32Result
from export_tools.gates import Int8Gates
from export_tools.int8 import QUICK, Int8Result, build_int8, quantize_with
from service.errors import GateFailed
from tests.export_tools.conftest import random_planes


def test_squeezenet_holds_the_gates(
    squeezenet_fp32: Fp32Result, squeezenet_int8: Int8Result
) -> None:
    found = squeezenet_int8.agreement
    assert found.images >= 150
    assert found.same >= 0.90 * found.images
    assert found.sure_same >= 0.98 * found.sure_images
    assert len(squeezenet_fp32.draft.graph) >= 3.5 * len(squeezenet_int8.draft.graph)


def test_the_manifest_tells_agreement_with_counts_and_the_steps(
    squeezenet_fp32: Fp32Result, squeezenet_int8: Int8Result
) -> None:
    parent, manifest = squeezenet_fp32.draft.manifest, squeezenet_int8.draft.manifest
    found = squeezenet_int8.agreement
    assert (manifest.name, manifest.precision) == ("squeezenet1_1-int8", "int8")
    assert manifest.quality.parent == parent.name
    assert manifest.quality.agreement == round(found.same / 180, 4)
    assert manifest.quality.agreement_images == 180
    assert manifest.quality.agreement_sure_images == found.sure_images
    assert manifest.quality.images == 20
    equalised, step = manifest.compression
    assert equalised.settings["strength"] == 0.5
    assert step.settings["calibration_views"] == 96
    assert step.settings["layers_compensated"] == 24
    assert str(step.settings["layers_kept_float"]).count(",") == 1
    assert step.settings["concatenations_sharing_a_scale"] == 8
    assert manifest.provenance.weights_sha256 == parent.provenance.weights_sha256
    assert (manifest.parameters, manifest.macs) == (parent.parameters, parent.macs)
    assert manifest.selftest.index == parent.selftest.index
    assert squeezenet_int8.draft.measured["parent"]["name"] == parent.name


def test_the_image_is_the_first_quantised_tensor_without_float_layers(tiny_graph: bytes) -> None:
    graph, steps = quantize_with(tiny_graph, list(random_planes(16)))
    assert steps[-1].settings["normalisation_folded"] is True
    model = onnx.load_model_from_string(graph)
    kinds = {node.op_type for node in model.graph.node}
    assert not {"Cast", "Mul", "Add", "Relu"} & kinds
    (user,) = (node for node in model.graph.node if "image" in node.input)
    assert user.op_type == "DequantizeLinear"


def test_the_same_images_quantise_to_the_same_bytes(tiny_graph: bytes) -> None:
    planes = list(random_planes(16))
    first, steps = quantize_with(tiny_graph, planes)
    second, _ = quantize_with(tiny_graph, planes)
    assert first == second
    assert steps[-1].settings["calibration_views"] == 16


def test_a_gate_that_fails_gives_no_draft(squeezenet_fp32: Fp32Result) -> None:
    gates = Int8Gates(agreement=1.0, bytes_per_weight=0.5)
    with pytest.raises(GateFailed, match=r"a weight takes 1\.00 bytes"):
        build_int8(squeezenet_fp32.draft, "small", lambda _: None, gates, QUICK)


def test_only_fp32_can_be_quantised(squeezenet_int8: Int8Result) -> None:
    with pytest.raises(ExportError, match="is int8, not fp32"):
        build_int8(squeezenet_int8.draft, "twice", lambda _: None)
