"""Targets name schemes, and schemes that cannot run are refused."""

import pytest

from export_tools.errors import ExportError
from export_tools.schemes import COMPARED, TARGETS, Scheme, scheme_of


def test_only_the_default_can_saturate_without_vnni() -> None:
    assert [name for name, scheme in TARGETS.items() if scheme.saturates] == ["x86-vnni"]
    assert not Scheme(reduce_range=True).saturates
    assert not Scheme(weights="uint8").saturates


def test_an_unknown_target_is_told_those_that_are() -> None:
    with pytest.raises(ExportError, match="x86-vnni, x86-avx2, arm64"):
        scheme_of("riscv")


def test_what_the_runtime_cannot_multiply_is_refused() -> None:
    with pytest.raises(ExportError, match="int8 activations by uint8 weights"):
        Scheme(activations="int8", weights="uint8")
    with pytest.raises(ExportError, match="saturate in pairs"):
        Scheme(weights="uint8", pair_safe=True)


def test_uint8_weights_share_a_zero_point() -> None:
    assert Scheme(weights="uint8").extra_options == {"WeightSymmetric": True}


def test_settings_tell_schemes_apart() -> None:
    settings = [tuple(sorted(map(str, s.settings().items()))) for s in COMPARED.values()]
    assert len(set(settings)) == len(settings)
