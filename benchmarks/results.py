"""Rows to CSV and to a table on the terminal."""

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import Machine
from benchmarks.summary import Row

_FOLDER = Path(__file__).parent / "results"


def save_rows(rows: Sequence[Row], benchmark: str, machine: Machine, target: str | None) -> None:
    """Write CSV, each row with the machine's columns.

    Args:
        rows: one a measurement; columns are the union of their keys, in order.
        benchmark: first part of the file's name.
        machine: rest of the file's name.
        target: a path; "" means benchmarks/results/ and a name of its own; None writes nothing.
    """
    if target is None or not rows:
        return
    path = Path(target) if target else _FOLDER / f"{benchmark}-{machine.slug()}.csv"
    columns = list(dict.fromkeys(key for row in rows for key in row))
    facts = machine.columns()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*columns, *facts], restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, **facts} for row in rows)
    say(f"written: {path}")


def print_table(rows: Sequence[Row]) -> None:
    """Print rows with the same keys under their names; text to the left, numbers to the right."""
    header = list(rows[0])
    cells = [header, *([_shown(row.get(key)) for key in header] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(header))]
    texts = [any(isinstance(row.get(key), str) for row in rows) for key in header]
    for line in cells:
        shown = (
            cell.ljust(width) if text else cell.rjust(width)
            for cell, width, text in zip(line, widths, texts, strict=True)
        )
        say("  ".join(shown).rstrip())


def say(line: str) -> None:
    """Print a line at once, so that a long run can be followed."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _shown(value: str | float | None) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"
