"""A row of the scorecard: what is measured, what it must be, and what came of it."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

MET, MISSED, NOT_MEASURED = "met", "missed", "not measured"


@dataclass(frozen=True, slots=True)
class Options:
    """What every row is told."""

    repository: Path = Path("model_repository")
    seconds: float = 8.0  # of one load
    yardstick: bool = True  # measure a plain FastAPI handler as well, where that says something


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a row found: a figure in words, its target, and whether that is met (None: unknown)."""

    figure: str
    target: str
    met: bool | None
    yardstick: str = ""
    note: str = ""

    @property
    def verdict(self) -> str:
        """Return the verdict in words."""
        return NOT_MEASURED if self.met is None else MET if self.met else MISSED


@dataclass(frozen=True, slots=True)
class Row:
    """A row: `measure` may raise, which counts as missed."""

    number: int
    title: str
    measure: Callable[[Options], Outcome]

    def outcome(self, options: Options) -> Outcome:
        """Measure; an error is an outcome, not the end of the scorecard."""
        try:
            return self.measure(options)
        except Exception as error:  # whatever it is, the other rows are still measured
            text = " ".join(str(error).split())[:300]
            return Outcome(f"{type(error).__name__}: {text}", "to be measured", False)


@dataclass(slots=True)
class Faults:
    """What was not as it should be, by name."""

    names: list[str] = field(default_factory=list)
    tried: int = 0

    def check(self, name: str, good: bool, found: object = "") -> None:
        """Count one case, and keep its name if it is not good."""
        self.tried += 1
        if not good:
            self.names.append(f"{name}: {found}" if found != "" else name)

    @property
    def passed(self) -> int:
        """How many cases were as they should be."""
        return self.tried - len(self.names)

    def note(self, most: int = 5) -> str:
        """Return the first of them as one line."""
        more = len(self.names) - most
        return "; ".join(self.names[:most]) + (f"; and {more} more" if more > 0 else "")


def scratch() -> "tempfile.TemporaryDirectory[str]":
    """Return a temporary folder."""
    return tempfile.TemporaryDirectory(prefix="featherbox-reliability-")
