"""The exported graph holds the contract, and its bytes depend on the net alone."""

from pathlib import Path

import onnx
import pytest
import torch
from torch import Tensor, nn

from export_tools.errors import ExportError
from export_tools.graph_checks import check_contract
from export_tools.graph_clean import IR_VERSION, OPSET, clean_graph
from export_tools.onnx_export import export_onnx
from export_tools.serving_net import ServingNet
from service.engine.session import OrtSession, SessionOptions
from service.errors import UnsafeGraph
from tests.export_tools.conftest import TINY_INPUT, TINY_LABELS, random_planes

CLASSES = len(TINY_LABELS)


def test_two_exports_are_the_same_bytes(tiny_net: ServingNet, tiny_graph: bytes) -> None:
    assert export_onnx(tiny_net, TINY_INPUT, CLASSES) == tiny_graph


def test_the_graph_names_nothing_local(tiny_graph: bytes) -> None:
    for text in (str(Path.cwd()), str(Path.home()), "site-packages", "torch", "stack_trace"):
        assert text.encode() not in tiny_graph


def test_opset_and_ir_version_are_the_chosen_ones(tiny_graph: bytes) -> None:
    model = onnx.load_model_from_string(tiny_graph)
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", OPSET)]
    assert model.ir_version == IR_VERSION


def test_any_batch_is_taken(tiny_graph: bytes) -> None:
    session = OrtSession(tiny_graph, SessionOptions())
    for batch in (1, 2, 3, 8):
        assert session.run(random_planes(batch)).shape == (batch, CLASSES)


class Logits(nn.Module):
    """Has the wrong input type for the contract."""

    def forward(self, image: Tensor) -> Tensor:
        return image.float().mean((2, 3))


def test_a_net_of_another_contract_is_refused() -> None:
    with pytest.raises(ExportError, match=r"output .* instead of .*'batch', 4"):
        export_onnx(Logits().eval(), TINY_INPUT, CLASSES)


class DataDependent(nn.Module):
    """Cannot be captured: its way depends on the values."""

    def forward(self, image: Tensor) -> Tensor:
        total = image.float().mean((2, 3))
        return total if total.sum() > 0 else -total


@pytest.mark.filterwarnings("ignore")  # the exporter warns on its way to the error
def test_a_net_that_cannot_be_exported_is_an_error_of_ours() -> None:
    with pytest.raises(ExportError, match="cannot export"):
        export_onnx(DataDependent().eval(), TINY_INPUT, CLASSES)


def test_all_faults_of_a_graph_are_told_together(tiny_graph: bytes) -> None:
    model = onnx.load_model_from_string(tiny_graph)
    model.opset_import[0].version = 18
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 2
    model.graph.node[0].doc_string = "from here"
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    del conv.attribute[:]
    with pytest.raises(ExportError) as refused:
        check_contract(model.SerializeToString(), TINY_INPUT, CLASSES)
    for fault in ("opsets [('', 18)]", "output [", "doc strings", "no kernel_shape in"):
        assert fault in refused.value.detail


def test_another_domain_is_refused(tiny_graph: bytes) -> None:
    model = onnx.load_model_from_string(tiny_graph)
    model.opset_import.append(onnx.helper.make_opsetid("com.example", 1))
    with pytest.raises((ExportError, UnsafeGraph), match=r"com\.example"):
        check_contract(model.SerializeToString(), TINY_INPUT, CLASSES)


def test_cleaning_keeps_the_answers_and_drops_the_rest(tiny_graph: bytes) -> None:
    model = onnx.shape_inference.infer_shapes(onnx.load_model_from_string(tiny_graph))
    assert model.graph.value_info
    model.doc_string = model.graph.doc_string = "notes"
    model.metadata_props.add(key="path", value="/somewhere")
    model.graph.node[0].metadata_props.add(key="trace", value="file.py")
    model.opset_import.append(onnx.helper.make_opsetid("com.unused", 1))
    model.graph.initializer.append(onnx.numpy_helper.from_array(torch.zeros(3).numpy(), "unused"))
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    kept = [item for item in conv.attribute if item.name != "kernel_shape"]
    del conv.attribute[:]
    conv.attribute.extend(kept)
    cleaned = clean_graph(model)
    check_contract(cleaned, TINY_INPUT, CLASSES)
    assert len(cleaned) == len(tiny_graph)
    planes = random_planes(2)
    before, after = (OrtSession(g, SessionOptions()).run(planes) for g in (tiny_graph, cleaned))
    assert (before == after).all()
