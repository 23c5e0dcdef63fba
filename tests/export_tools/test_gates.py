"""A gate that does not hold is named with what was measured, beside all others."""

import pytest

from export_tools.evaluate import Agreement
from export_tools.gates import Int8Gates, check_int8
from service.errors import GateFailed

GOOD = Agreement(images=180, same=162, sure_images=100, sure_same=98)


def test_a_model_just_at_the_gates_passes() -> None:
    check_int8(Int8Gates(), GOOD, parent_bytes=3600, child_bytes=1000)


@pytest.mark.parametrize(
    ("found", "child_bytes", "text"),
    [
        pytest.param(Agreement(149, 149, 90, 90), 1000, "only 149 views", id="views"),
        pytest.param(Agreement(180, 161, 100, 98), 1000, "161/180 is below 90%", id="all"),
        pytest.param(Agreement(180, 170, 100, 97), 1000, "97/100 is below 98%", id="sure"),
        pytest.param(GOOD, 1001, r"size ratio 3\.60 is below 3\.6", id="size"),
    ],
)
def test_each_gate_refuses(found: Agreement, child_bytes: int, text: str) -> None:
    with pytest.raises(GateFailed, match=text):
        check_int8(Int8Gates(), found, parent_bytes=3600, child_bytes=child_bytes)


def test_all_failures_are_told_together() -> None:
    with pytest.raises(GateFailed, match=r"views.*all views.*where fp32 is sure.*size ratio"):
        check_int8(Int8Gates(), Agreement(10, 1, 5, 1), parent_bytes=1000, child_bytes=1000)
