"""Goals, and what a measured figure says of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.summary import summarise

MET = "met"
MET_IN_MEDIAN = "met in the median"
MISSED = "missed"
NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound for one figure."""

    figure: str
    bound: Literal["at least", "at most"]
    value: float

    def holds(self, value: float) -> bool:
        """Return whether one measured value is on the right side of the bound."""
        return value >= self.value if self.bound == "at least" else value <= self.value

    def verdict(self, values: Sequence[float]) -> str:
        """Judge the values of all rounds: met by every one, by their median, or missed."""
        if not values:
            return NOT_MEASURED
        if all(map(self.holds, values)):
            return MET
        return MET_IN_MEDIAN if self.holds(summarise(values).median) else MISSED

    def row(self, values: Sequence[float]) -> dict[str, str | float | None]:
        """Return the goal's row of the table."""
        summary = summarise(values) if values else None
        return {
            "figure": self.figure,
            "goal": f"{self.bound} {self.value:g}",
            "median": summary.median if summary else None,
            "low": summary.low if summary else None,
            "high": summary.high if summary else None,
            "values": len(values),
            "verdict": self.verdict(values),
        }
