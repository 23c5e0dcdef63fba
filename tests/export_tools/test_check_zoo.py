"""One small variant of each net through everything that `make check-zoo` does with all of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from export_tools.check_zoo import check_row
from export_tools.zoo import ZooRow
from models import list_models


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Run on one thread: on a busy machine, threads that wait for each other cost minutes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


LABELS = tuple(f"class {index}" for index in range(10))
SMALL = (
    ZooRow("squeezenet1_1", 64),
    ZooRow("mobilenet_v1", 64, {"width": 0.25}),
    ZooRow("shufflenet_v1", 64, {"scale": 0.25}),
    ZooRow("xception", 40),
    ZooRow("googlenet", 40),
    ZooRow("lite_inception", 64, {"width": 0.25}),
    ZooRow("lightweight_cnn", 48),
    ZooRow("efficientnet_lite0", 40, {"padding": "same"}),
)
# Their modules are those of a net above.
ALIKE = {"squeezenet1_0", *(f"efficientnet_lite{size}" for size in range(1, 5))}


def test_every_net_is_here() -> None:
    assert {row.architecture for row in SMALL} | ALIKE == set(list_models())


@pytest.mark.parametrize("row", SMALL, ids=str)
def test_a_net_goes_through_export_int8_and_the_engine(row: ZooRow, tmp_path: Path) -> None:
    checked = check_row(row, tmp_path, LABELS, rounds=1)
    assert checked.faults == ()
    assert checked.costs.macs > 0
    published = sorted(folder.name for folder in tmp_path.iterdir())
    assert published == [row.model_name, f"{row.model_name}-int8"]
