from collections.abc import Callable

import pytest
import torch

import models
from models import OptionValue
from models.registry import get_architecture, register
from models.spec import ModelSpec


def test_names_are_sorted_and_complete() -> None:
    assert models.list_models() == [
        "efficientnet_lite0",
        "efficientnet_lite1",
        "efficientnet_lite2",
        "efficientnet_lite3",
        "efficientnet_lite4",
        "googlenet",
        "lightweight_cnn",
        "lite_inception",
        "mobilenet_v1",
        "shufflenet_v1",
        "squeezenet1_0",
        "squeezenet1_1",
        "xception",
    ]


def test_duplicate_name_is_refused() -> None:
    with pytest.raises(models.DuplicateModelError, match="'xception' is already registered"):
        register(get_architecture("xception"))


@pytest.mark.parametrize("ask", [models.create_model, models.get_spec, models.list_variants])
def test_unknown_name_is_refused_with_close_matches(ask: Callable[[str], object]) -> None:
    with pytest.raises(models.UnknownModelError, match=r"'squeezenet'.*squeezenet1_[01]"):
        ask("squeezenet")


def test_name_like_no_other_is_refused_with_all_names() -> None:
    with pytest.raises(models.UnknownModelError, match=r"known: .*googlenet.*xception"):
        models.create_model("zzz")


@pytest.mark.parametrize("ask", [models.create_model, models.get_spec])
def test_unknown_option_is_named(ask: Callable[..., object]) -> None:
    with pytest.raises(models.UnknownOptionError, match=r"no option widht; its options: width"):
        ask("mobilenet_v1", widht=0.5)
    with pytest.raises(models.UnknownOptionError, match="its options: none"):
        ask("lightweight_cnn", width=0.5)


@pytest.mark.parametrize(
    ("name", "variant", "message"),
    [
        ("mobilenet_v1", {"width": "wide"}, "width must be float: 'wide'"),
        ("mobilenet_v1", {"width": True}, "width must be float: True"),
        ("mobilenet_v1", {"width": 0}, "width must be above 0 and finite: 0.0"),
        ("mobilenet_v1", {"width": float("nan")}, "width must be above 0 and finite: nan"),
        ("mobilenet_v1", {"bn_eps": -1e-3}, "bn_eps must be above 0"),
        ("mobilenet_v1", {"padding": "valid"}, "padding must be one of symmetric, same: 'valid'"),
        ("shufflenet_v1", {"groups": 5}, "groups must be one of 1, 2, 3, 4, 8: 5"),
        ("shufflenet_v1", {"groups": 3.0}, "groups must be int: 3.0"),
        ("shufflenet_v1", {"shuffle": 1}, "shuffle must be bool: 1"),
        ("shufflenet_v1", {"groups": None}, "groups must be int: None"),
        ("squeezenet1_0", {"conv10_padding": 2}, "conv10_padding must be one of 0, 1: 2"),
        ("googlenet", {"form": "v2"}, "form must be one of paper, bn, torchvision: 'v2'"),
    ],
)
def test_option_of_a_wrong_value_is_refused(
    name: str, variant: dict[str, OptionValue], message: str
) -> None:
    asks: list[Callable[..., object]] = [models.get_spec, models.create_model]
    for ask in asks:
        with pytest.raises(models.InvalidOptionError) as caught:
            ask(name, **variant)
        assert f"{name}: {message}" in str(caught.value)


@pytest.mark.parametrize("value", [0, -1])
@pytest.mark.parametrize("argument", ["num_classes", "in_channels", "input_size"])
def test_counts_must_be_positive(argument: str, value: int) -> None:
    with pytest.raises(models.InvalidOptionError, match=f"{argument} must be a positive integer"):
        models.create_model("lightweight_cnn", **{argument: value})


@pytest.mark.parametrize("dropout", [-0.1, 1.0])
def test_dropout_must_be_a_probability(dropout: float) -> None:
    with pytest.raises(models.InvalidOptionError, match="dropout"):
        models.create_model("lightweight_cnn", dropout=dropout)


def test_every_error_is_a_value_error() -> None:
    for error in (
        models.DuplicateModelError,
        models.UnknownModelError,
        models.UnknownOptionError,
        models.InvalidOptionError,
        models.InputTooSmallError,
    ):
        assert issubclass(error, models.ModelError)
        assert issubclass(error, ValueError)


def test_spec_fills_in_defaults_and_is_read_only() -> None:
    spec = models.get_spec("shufflenet_v1", groups=8)
    assert dict(spec.variant) == {
        "groups": 8,
        "scale": 1.0,
        "shuffle": True,
        "shuffle_order": "paper",
        "stem": None,
    }
    with pytest.raises(TypeError):
        spec.variant["groups"] = 1  # type: ignore[index]  # the point of the test
    with pytest.raises(AttributeError):
        spec.parameters = 0  # type: ignore[misc]  # the point of the test


def test_whole_numbers_pass_for_fractions() -> None:
    assert models.get_spec("mobilenet_v1", width=1) == models.get_spec("mobilenet_v1")
    assert type(models.get_spec("mobilenet_v1", width=1).variant["width"]) is float


def test_variants_begin_with_the_default() -> None:
    variants = models.list_variants("mobilenet_v1")
    assert [variant["width"] for variant in variants] == [1.0, 0.75, 0.5, 0.25]


def test_untabled_variant_has_unknown_counts() -> None:
    spec = models.get_spec("mobilenet_v1", width=1.4)
    assert (spec.parameters, spec.macs, spec.published) == (None, None, ())


@pytest.mark.parametrize("name", models.list_models())
def test_published_facts_are_plausible(name: str) -> None:
    spec: ModelSpec = models.get_spec(name)
    own = name in ("lite_inception", "lightweight_cnn")
    assert (spec.paper is None) == own
    assert bool(spec.published) == (not own)
    assert spec.summary
    if spec.paper:
        assert 2014 <= spec.paper.year <= 2019
        assert spec.paper.url.startswith("https://arxiv.org/abs/")
    for result in spec.published:
        assert result.source
        assert 0.4 < (result.top1 or 0.5) < (result.top5 or 0.9) < 1.0


def test_a_seed_fixes_the_weights() -> None:
    def weights() -> torch.Tensor:
        torch.manual_seed(1)
        model = models.create_model("mobilenet_v1", width=0.25)
        return torch.cat([value.flatten() for value in model.parameters()])

    assert torch.equal(weights(), weights())
