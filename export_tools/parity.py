"""Does the graph answer as the PyTorch net does? Checked at several batch sizes."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from service.engine.session import Session
from service.errors import GateFailed

BATCHES = (1, 3, 8)
TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Parity:
    """The largest absolute difference of a probability, over all batches."""

    max_difference: float
    batches: tuple[int, ...]


def check_parity(
    net: nn.Module,
    session: Session,
    images: NDArray[np.uint8],
    *,
    batches: tuple[int, ...] = BATCHES,
    tolerance: float = TOLERANCE,
) -> Parity:
    """Compare a graph with its net on the first images, a batch size at a time.

    Args:
        net: the net that was exported, uint8 in and probabilities out.
        session: runs the graph.
        images: uint8 [n, 3, height, width], n at least the largest batch.
        batches: the batch sizes to try.
        tolerance: largest allowed absolute difference of a probability.

    Raises:
        GateFailed: lists every batch size that differs, in values or in shape.
    """
    worst, failures = 0.0, []
    for batch in batches:
        inputs = np.ascontiguousarray(images[:batch])
        with torch.no_grad():
            wanted = net(torch.from_numpy(inputs)).numpy()
        found = session.run(inputs)
        if found.shape != wanted.shape:
            failures.append(f"batch {batch}: shape {found.shape} instead of {wanted.shape}")
            continue
        difference = float(np.abs(found - wanted).max())
        worst = max(worst, difference)
        if not difference <= tolerance:
            failures.append(f"batch {batch}: probabilities differ by {difference:.2e}")
    if failures:
        raise GateFailed(
            f"The graph differs from PyTorch by more than {tolerance:g}: {'; '.join(failures)}."
        )
    return Parity(worst, batches)
