"""The table of the small zoo: means and spreads, costs, timings; on a page and as CSV."""

import csv
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from export_tools.measure import time_side_by_side
from export_tools.tables import print_wide
from export_tools.training.digits import read_digits
from export_tools.training.small_zoo import Result, SmallNet

PAGE = Path("docs/training.md")
CSV = Path("docs/small-zoo.csv")
_MARKS = ("<!-- small zoo -->", "<!-- end of the small zoo -->")
_ROUNDS = 60
_KINDS = ("fp32", "int8", "pruned", "distilled", "longer")
_COLUMNS = ("net", "kind", "seeds", "accuracy", "spread", "bytes", "parameters", "macs", "speed")


@dataclass(frozen=True, slots=True)
class Row:
    """One result."""

    net: SmallNet
    seed: int
    kind: str
    result: Result


@dataclass(frozen=True, slots=True)
class Line:
    """A net in one form, over its seeds.

    `spread` is the standard deviation of the accuracy, None of a single seed; `speed` how many
    times faster than fp32 the first seed's graph is, None for what has the same graph.
    """

    net: str
    kind: str
    seeds: int
    accuracy: float
    spread: float | None
    bytes: int
    parameters: int
    macs: int
    speed: float | None


def summarise(rows: Sequence[Row], rounds: int = _ROUNDS) -> list[Line]:
    """Turn results into lines, and time each net's graphs in turns on one thread."""
    lines = []
    for name in dict.fromkeys(row.net.name for row in rows):
        own = {kind: [r for r in rows if r.net.name == name and r.kind == kind] for kind in _KINDS}
        if not own["fp32"]:
            continue
        graphs = {
            kind: own[kind][0].result.graph for kind in ("fp32", "int8", "pruned") if own[kind]
        }
        image = np.ascontiguousarray(read_digits("test").plain([0]))
        timings = time_side_by_side(graphs, image, rounds)
        for kind, found in own.items():
            if found:
                timed = kind in graphs and kind != "fp32"
                speed = timings.speed_ratio(kind, "fp32") if timed else None
                lines.append(_line(found, speed, len(graphs["fp32"])))
    return lines


def _line(rows: Sequence[Row], speed: float | None, fp32_bytes: int) -> Line:
    shares = [row.result.accuracy for row in rows]
    first = rows[0].result
    # What only learnt otherwise has the graph of fp32 but for its weights.
    size = len(first.graph) or fp32_bytes
    return Line(
        net=rows[0].net.name,
        kind=rows[0].kind,
        seeds=len(rows),
        accuracy=statistics.fmean(shares),
        spread=statistics.stdev(shares) if len(shares) > 1 else None,
        bytes=size,
        parameters=first.parameters,
        macs=first.macs,
        speed=speed,
    )


def print_table(console: Console, lines: Sequence[Line], teacher: Result) -> None:
    """Print the lines."""
    table = Table(box=None, pad_edge=False)
    for number, column in enumerate(_COLUMNS):
        table.add_column(column, justify="left" if number < 2 else "right")
    for line in lines:
        table.add_row(*_cells(line))
    print_wide(console, table)
    console.print(_about(teacher))


def save_table(lines: Sequence[Line], teacher: Result, page: Path = PAGE, file: Path = CSV) -> None:
    """Write the lines into the page, between its marks, and into the CSV."""
    before, first, rest = page.read_text("utf-8").partition(_MARKS[0])
    _, last, after = rest.partition(_MARKS[1])
    rule = "|".join(["---"] * 2 + ["---:"] * (len(_COLUMNS) - 2))
    table = ["| " + " | ".join(_COLUMNS) + " |", f"|{rule}|"]
    table += ["| " + " | ".join(_cells(line)) + " |" for line in lines]
    text = "\n".join(["", _about(teacher), "", *table, ""])
    page.write_text(f"{before}{first}{text}{last}{after}", "utf-8")
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows([getattr(line, column) for column in _COLUMNS] for line in lines)


def _cells(line: Line) -> list[str]:
    spread = "-" if line.spread is None else f"{100 * line.spread:.1f}"
    speed = "-" if line.speed is None else f"{line.speed:.2f}x"
    counts = [f"{count:,}" for count in (line.bytes, line.parameters, line.macs)]
    return [
        line.net,
        line.kind,
        str(line.seeds),
        f"{100 * line.accuracy:.1f}",
        spread,
        *counts,
        speed,
    ]


def _about(teacher: Result) -> str:
    return (
        f"Teacher: {100 * teacher.accuracy:.1f} %, {teacher.parameters:,} parameters, "
        f"{teacher.macs:,} MACs."
    )
