"""State dicts of the published layouts, from lists of names and shapes with random values.

The lists were written by `python -m export_tools.check_libraries --layouts FOLDER` from the
libraries' own nets, Megvii's from the code of its repository.
"""

from pathlib import Path

import torch
from torch import Tensor

FOLDER = Path(__file__).parents[1] / "layouts"
COUNTER = "num_batches_tracked"


def state_of(layout: str) -> dict[str, Tensor]:
    """Return a state dict of a layout; variances are above 0."""
    random = torch.Generator().manual_seed(1)
    state: dict[str, Tensor] = {}
    for line in (FOLDER / f"{layout}.txt").read_text("utf-8").splitlines():
        key, shape = line.split()
        sizes = [] if shape == "-" else [int(size) for size in shape.split("x")]
        if key.endswith(COUNTER):
            state[key] = torch.tensor(7)
        else:
            state[key] = torch.rand(sizes, generator=random) * 0.1 + 0.01
    return state
