"""Medians, percentiles and spread of repeated measurements."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Row = Mapping[str, str | float | None]


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


def median_rows(rows: Sequence[Row], *keys: str) -> list[Row]:
    """Return one row for each combination of `keys`: the medians of its rounds.

    Figures that a row lacks are left out of the median; of texts the last is kept. `spread` is
    that of the first figure.
    """
    columns = [key for key in dict.fromkeys(key for row in rows for key in row) if key != "round"]
    groups: dict[tuple[str | float | None, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return [_median_row(group, columns, keys) for group in groups.values()]


def _median_row(rows: Sequence[Row], columns: Sequence[str], keys: Sequence[str]) -> Row:
    new: dict[str, str | float | None] = {key: rows[0][key] for key in keys}
    spread = None
    for column in columns:
        if column in keys:
            continue
        values = [value for row in rows if (value := row.get(column)) is not None]
        numbers = [value for value in values if isinstance(value, (int, float))]
        new[column] = statistics.median(numbers) if numbers else next(reversed(values), None)
        if numbers and spread is None:
            spread = summarise(numbers).spread
    return {**new, "spread": spread}
