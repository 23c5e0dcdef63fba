"""Medians, percentiles and spread of repeated measurements."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Summary:
    """One figure over the rounds, in whatever unit its values had."""

    median: float
    low: float
    high: float
    rounds: int

    @property
    def spread(self) -> float:
        """The range of the rounds as a share of their median."""
        return (self.high - self.low) / self.median if self.median else 0.0

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.low:.3g} to {self.high:.3g})"


def summarise(values: Sequence[float]) -> Summary:
    """Return median and range of one value a round; at least one."""
    return Summary(statistics.median(values), min(values), max(values), len(values))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` (above 0, up to 1) of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
