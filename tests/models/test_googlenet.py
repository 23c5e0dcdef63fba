from typing import Any

import pytest
import torch
from torch import Tensor, nn

import models
from models.googlenet import GoogLeNet, GoogLeNetOutputs, Inception
from models.layers import LocalResponseNorm
from tests.models.support import batch_norms, convolutions, map_sides

FORMS = ("paper", "bn", "torchvision")
every_form = pytest.mark.parametrize("form", FORMS)


class WithAux(nn.Module):
    """The net as it trains, so that the auxiliary heads can be counted."""

    def __init__(self, net: GoogLeNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> GoogLeNetOutputs:
        return self.net.forward_with_aux(x)


def build(**arguments: Any) -> GoogLeNet:
    with torch.device("meta"):
        model = models.create_model("googlenet", **arguments)
    assert isinstance(model, GoogLeNet)
    return model


def large_branch(model: GoogLeNet) -> set[tuple[int, ...]]:
    blocks = [part for part in model.modules() if isinstance(part, Inception)]
    return {convolutions(block.branch3)[-1].kernel_size for block in blocks}


def test_torchvisions_5x5_branch_is_3x3() -> None:
    assert large_branch(build(form="paper")) == {(5, 5)}
    assert large_branch(build(form="bn")) == {(5, 5)}
    assert large_branch(build(form="torchvision")) == {(3, 3)}


def test_paper_form_has_biases_and_response_norm_the_others_batch_norm() -> None:
    for form in FORMS:
        model = build(form=form)
        paper = form == "paper"
        assert {conv.bias is not None for conv in convolutions(model)} == {paper}
        assert len(batch_norms(model)) == (0 if paper else 57)
        norms = [part for part in model.modules() if isinstance(part, LocalResponseNorm)]
        assert len(norms) == (2 if paper else 0)


@every_form
def test_maps_have_the_papers_sizes(form: str) -> None:
    strided = [
        part
        for part in build(form=form).modules()
        if isinstance(part, nn.MaxPool2d) and part.stride == 2
    ]
    assert [pool.ceil_mode for pool in strided] == [True] * 4
    assert [pool.kernel_size for pool in strided] == [3, 3, 3, 2 if form == "torchvision" else 3]
    assert map_sides(build(form=form), (Inception,), 224) == [28] * 2 + [14] * 5 + [7] * 2


@pytest.mark.parametrize(("form", "dropout"), [("paper", 0.4), ("bn", 0.4), ("torchvision", 0.2)])
def test_dropout_is_the_forms_own(form: str, dropout: float) -> None:
    rates = [
        part.p for part in build(form=form, aux=True).modules() if isinstance(part, nn.Dropout)
    ]
    assert sorted(rates) == [dropout, 0.7, 0.7]


def test_batch_norm_has_tensorflows_eps() -> None:
    assert {norm.eps for norm in batch_norms(build(form="torchvision"))} == {1e-3}
    assert {norm.eps for norm in batch_norms(build(form="bn", bn_eps=1e-5))} == {1e-5}


@pytest.mark.parametrize(
    ("form", "macs"),
    [("paper", 1_591_044_096), ("bn", 1_591_044_096), ("torchvision", 1_506_748_416)],
)
def test_macs_with_auxiliary_heads(form: str, macs: int) -> None:
    assert models.count_macs(WithAux(build(form=form, aux=True)), 224) == macs


@every_form
def test_forward_returns_logits_alone_in_both_modes(form: str) -> None:
    model = build(form=form, aux=True, input_size=32)
    images = torch.empty(2, 3, 32, 32, device="meta")
    for mode in (True, False):
        assert isinstance(model.train(mode)(images), Tensor)
        assert isinstance(model.forward_with_aux(images), GoogLeNetOutputs)


@pytest.mark.parametrize("input_size", [32, 64, 128, 224])
@every_form
def test_auxiliary_heads_take_any_input_size(form: str, input_size: int) -> None:
    model = build(form=form, aux=True, num_classes=7, input_size=input_size)
    images = torch.empty(2, 3, input_size, input_size, device="meta")
    assert [head.shape for head in model.forward_with_aux(images)] == [(2, 7)] * 3


def test_papers_auxiliary_pool_is_5x5_by_3() -> None:
    model = build(form="paper", aux=True)
    assert model.aux1 is not None
    assert isinstance(model.aux1.pool, nn.AvgPool2d)
    assert model.aux1.pool(torch.empty(1, 512, 14, 14)).shape == (1, 512, 4, 4)


def test_auxiliary_outputs_are_named_by_their_depth() -> None:
    """torchvision's own output has these two fields swapped."""
    model = models.create_model("googlenet", num_classes=3, aux=True, input_size=32).eval()
    assert isinstance(model, GoogLeNet)
    assert model.aux1 is not None
    assert model.aux2 is not None
    assert convolutions(model.aux1)[0].in_channels == 512  # block 4a
    assert convolutions(model.aux2)[0].in_channels == 528  # block 4d
    nn.init.zeros_(model.aux1.fc2.weight)
    nn.init.zeros_(model.inception5b.branch1.conv.weight)
    with torch.inference_mode():
        outputs = model.forward_with_aux(torch.randn(1, 3, 32, 32))
        assert torch.equal(outputs.aux1[0], model.aux1.fc2.bias)
        assert not torch.equal(outputs.aux2[0], model.aux2.fc2.bias)


def test_net_without_auxiliary_heads_refuses_to_run_them() -> None:
    with pytest.raises(models.InvalidOptionError, match="aux=False"):
        build(aux=False).forward_with_aux(torch.empty(1, 3, 224, 224, device="meta"))


def test_auxiliary_heads_do_not_change_the_main_logits() -> None:
    torch.manual_seed(0)
    with_heads = models.create_model("googlenet", num_classes=3, aux=True, input_size=32).eval()
    assert isinstance(with_heads, GoogLeNet)
    without = models.create_model("googlenet", num_classes=3, input_size=32).eval()
    missing = without.load_state_dict(with_heads.state_dict(), strict=False)
    assert missing.missing_keys == []
    assert {key.split(".")[0] for key in missing.unexpected_keys} == {"aux1", "aux2"}
    images = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(without(images), with_heads.forward_with_aux(images).logits)


def test_state_dict_has_torchvisions_layout() -> None:
    state = build(form="torchvision", aux=True).state_dict()
    blocks = [f"inception{name}" for name in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")]
    branches = ("branch1", "branch2.0", "branch2.1", "branch3.0", "branch3.1", "branch4.1")
    units = [f"{block}.{branch}" for block in blocks for branch in branches]
    units += ["conv1", "conv2", "conv3", "aux1.conv", "aux2.conv"]
    norms = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected = {f"{unit}.conv.weight" for unit in units}
    expected |= {f"{unit}.bn.{kind}" for unit in units for kind in norms}
    for layer in ("fc", "aux1.fc1", "aux1.fc2", "aux2.fc1", "aux2.fc2"):
        expected |= {f"{layer}.weight", f"{layer}.bias"}
    assert set(state) == expected
    assert state["inception3a.branch3.1.conv.weight"].shape == (32, 16, 3, 3)
    assert state["aux1.fc1.weight"].shape == (1024, 2048)
