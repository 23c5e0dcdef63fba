"""What holds for every net, over every variant of the reference table."""

import functools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import models
from models.googlenet import GoogLeNet
from models.registry import get_architecture
from tests.models.reference import SMALL, TABLE, Row

every_row = pytest.mark.parametrize("row", TABLE, ids=str)
every_name = pytest.mark.parametrize("name", models.list_models())
every_small = pytest.mark.parametrize(
    ("name", "variant"), SMALL, ids=[f"{name}-{variant}" for name, variant in SMALL]
)


@functools.cache
def _shape_of(index: int) -> nn.Module:
    """Build a row's net without storage: enough for counts and shapes."""
    row = TABLE[index]
    with torch.device("meta"):
        return models.create_model(row.name, **row.variant)


def _shape(row: Row) -> nn.Module:
    return _shape_of(TABLE.index(row))


def _last_map(name: str, input_size: int) -> tuple[torch.Size, int]:
    """Return the logits' shape, and the side of the map before the global pool."""
    sides: list[int] = []

    def note(_: nn.Module, inputs: tuple[Tensor], __: Tensor) -> None:
        sides.append(inputs[0].shape[-1])

    with torch.device("meta"):
        model = models.create_model(name, num_classes=10, input_size=input_size).eval()
        pools = [part for part in model.modules() if isinstance(part, nn.AdaptiveAvgPool2d)]
        pools[0].register_forward_hook(note)
        logits = model(torch.empty(2, 3, input_size, input_size))
    return logits.shape, sides[0]


def test_table_covers_every_registered_name() -> None:
    assert {row.name for row in TABLE} == set(models.list_models())


@every_name
def test_table_covers_every_variant_that_a_spec_tables(name: str) -> None:
    covered = [models.get_spec(row.name, **row.variant).variant for row in TABLE]
    for variant in models.list_variants(name):
        # The shuffle changes no count, so one row without it stands for all.
        assert {**variant, "shuffle": True} in [{**known, "shuffle": True} for known in covered]


@every_row
def test_parameters_are_exact(row: Row) -> None:
    assert models.count_parameters(_shape(row)) == row.parameters


@pytest.mark.parametrize(
    ("name", "variant", "values"),
    [
        ("squeezenet1_0", {}, 0),
        ("mobilenet_v1", {}, 21_888),
        ("mobilenet_v1", {"width": 0.75}, 16_416),
        ("mobilenet_v1", {"width": 0.5}, 10_944),
        ("mobilenet_v1", {"width": 0.25}, 5_472),
        ("shufflenet_v1", {}, 24_480),
        ("shufflenet_v1", {"groups": 8}, 39_168),
        ("xception", {}, 54_528),
        ("googlenet", {"form": "torchvision"}, 14_560),
        ("googlenet", {"form": "torchvision", "aux": True}, 15_072),
        ("googlenet", {"form": "bn"}, 14_560),
        ("googlenet", {"form": "paper"}, 0),
        ("efficientnet_lite0", {}, 42_016),
        ("efficientnet_lite1", {}, 53_664),
        ("efficientnet_lite2", {}, 58_096),
        ("efficientnet_lite3", {}, 76_672),
        ("efficientnet_lite4", {}, 112_368),
    ],
)
def test_running_statistics_are_exact(name: str, variant: dict[str, Any], values: int) -> None:
    with torch.device("meta"):
        state = models.create_model(name, **variant).state_dict()
    running = [value.numel() for key, value in state.items() if "running_" in key]
    assert sum(running) == values


@every_row
def test_macs_are_exact(row: Row) -> None:
    assert models.count_macs(_shape(row), row.input_size) == row.macs


@every_row
def test_spec_states_the_same_counts(row: Row) -> None:
    spec = models.get_spec(row.name, **row.variant)
    assert (spec.input_size, spec.parameters, spec.macs) == (
        row.input_size,
        row.parameters,
        row.macs,
    )


@every_row
def test_logits_have_one_value_per_class(row: Row) -> None:
    images = torch.empty(2, 3, row.input_size, row.input_size, device="meta")
    assert _shape(row).eval()(images).shape == (2, 1000)


@every_row
def test_gradient_reaches_every_parameter(row: Row) -> None:
    torch.manual_seed(0)
    model = models.create_model(row.name, num_classes=10, input_size=32, **row.variant)
    images = torch.randn(2, 3, 32, 32)
    if isinstance(model, GoogLeNet) and row.variant["aux"]:
        logits = torch.cat(model.forward_with_aux(images))
    else:
        logits = model(images)
        assert logits.shape == (2, 10)
    names, parameters = zip(*model.named_parameters(), strict=True)
    gradients = torch.autograd.grad((logits * torch.randn_like(logits)).sum(), parameters)
    unreached = [name for name, grad in zip(names, gradients, strict=True) if not grad.any()]
    assert unreached == []


@every_small
def test_eval_is_deterministic(name: str, variant: dict[str, Any]) -> None:
    model = models.create_model(name, num_classes=10, input_size=32, **variant).eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(model(images), model(images))


@every_small
def test_images_of_a_batch_do_not_influence_each_other(name: str, variant: dict[str, Any]) -> None:
    model = models.create_model(name, num_classes=10, input_size=32, **variant).eval()
    images = torch.randn(3, 3, 32, 32)
    with torch.inference_mode():
        together = model(images)
        alone = torch.cat([model(image[None]) for image in images])
    # Fresh weights let some nets' logits grow large, so the tolerance is relative to them.
    torch.testing.assert_close(together, alone, rtol=0, atol=float(alone.abs().max()) * 1e-5)


@every_small
def test_dropout_acts_in_training_only(name: str, variant: dict[str, Any]) -> None:
    model = models.create_model(name, num_classes=10, input_size=32, dropout=0.25, **variant)
    rates = [part.p for part in model.modules() if isinstance(part, nn.Dropout)]
    assert rates == [0.25]


@every_name
def test_images_may_be_grey(name: str) -> None:
    with torch.device("meta"):
        model = models.create_model(name, num_classes=7, in_channels=1)
        size = models.get_spec(name).input_size
        assert model.eval()(torch.empty(1, 1, size, size)).shape == (1, 7)


@every_name
@pytest.mark.parametrize("input_size", [32, 48, 64, 96])
def test_small_inputs_leave_a_map_worth_pooling(name: str, input_size: int) -> None:
    shape, side = _last_map(name, input_size)
    assert shape == (2, 10)
    assert side >= 2


@every_name
def test_smallest_input_works_and_a_smaller_one_is_refused(name: str) -> None:
    minimum = get_architecture(name).minimum_input_size
    shape, side = _last_map(name, minimum)
    assert (shape, side) == ((2, 10), 1)
    if minimum > 1:
        with pytest.raises(models.InputTooSmallError, match=rf"{name} .* {minimum} px"):
            models.create_model(name, input_size=minimum - 1)


@every_name
def test_weights_load_at_any_input_size(name: str) -> None:
    with torch.device("meta"):
        layouts = [
            {
                key: value.shape
                for key, value in models.create_model(name, input_size=size).state_dict().items()
            }
            for size in (None, 32, 64)
        ]
    assert layouts[0] == layouts[1] == layouts[2]


@pytest.mark.parametrize(
    ("name", "variant"),
    [  # those that reshape, pad or normalise by the input's shape
        ("squeezenet1_1", {}),
        ("mobilenet_v1", {"width": 0.25, "padding": "same"}),
        ("shufflenet_v1", {"scale": 0.25}),
        ("googlenet", {"form": "paper"}),
    ],
)
def test_export_keeps_the_batch_symbolic(name: str, variant: dict[str, Any]) -> None:
    model = models.create_model(name, num_classes=10, input_size=32, **variant).eval()
    images = torch.randn(2, 3, 32, 32)
    batch = torch.export.Dim("batch")
    program = torch.export.export(model, (images,), dynamic_shapes=({0: batch},)).module()
    for size in (1, 5):
        images = torch.randn(size, 3, 32, 32)
        with torch.inference_mode():
            torch.testing.assert_close(program(images), model(images), rtol=1e-4, atol=1e-3)
