"""Points of the trade-off curve, as CSV and as the rows of docs/pack.md."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True)
class Point:
    """One plan's result; `way` is "fp32" for the parent, shares are of `images` and of the sure."""

    model: str
    way: str
    bits: float
    file_bytes: int
    images: int
    agreement: float
    agreement_sure: float
    in_top5: float
    labelled: int
    top1: int
    top5: int
    load_ms: float
    memory_mb: float


def write_csv(points: Sequence[Point], path: Path) -> None:
    """Write rows, one a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, Point.__dataclass_fields__, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(point) for point in points)


def read_csv(path: Path) -> list[Point]:
    """Read rows back."""
    with path.open(encoding="utf-8", newline="") as file:
        return TypeAdapter(list[Point]).validate_python(list(csv.DictReader(file)))


def as_markdown(points: Sequence[Point]) -> str:
    """Return the rows of one model as docs/pack.md has them."""
    head = "| | bits | bytes | agreement | where sure | in top 5 | labelled |"
    lines = [head, "|" + "---|" * 7]
    for point in points:
        facts = (
            point.way, f"{point.bits:g}", f"{point.file_bytes:,}", f"{point.agreement:.3f}",
            f"{point.agreement_sure:.3f}", f"{point.in_top5:.3f}",
            f"{point.top1}/{point.labelled}",
        )  # fmt: skip
        lines.append(f"| {' | '.join(facts)} |")
    return "\n".join(lines) + "\n"
