"""A student taught in several ways, beside the same student without a teacher: one table.

    python -m export_tools.distil_table [--only xception,googlenet] [--seeds 3] [--minutes N]

The setting is that of `small_zoo_table`, and what is finished is found again in the same folder.
A way is a temperature and the teacher's share, a teacher, and how long the student learns; its
gain is over the same student that learns as long from labels alone.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from export_tools.tables import print_wide
from export_tools.torch_graph import one_thread
from export_tools.training.distil import Softening
from export_tools.training.small_nets import NETS, TEACHER
from export_tools.training.small_zoo import SOFTENING, SmallNet, SmallZoo

FOLDER = Path("build/small-zoo")
_COLUMNS = ("net", "way", "seeds", "alone", "spread", "taught", "spread", "gain", "beyond spread")
console = Console()


@dataclass(frozen=True, slots=True)
class Way:
    """How a student is taught; `longer` multiplies its epochs."""

    name: str
    softening: Softening = SOFTENING
    teacher: SmallNet = TEACHER
    longer: int = 1


WAYS = (
    Way("T=4, alpha=0.7"),
    Way("T=2, alpha=0.5", Softening(2.0, 0.5)),
    Way("T=8, alpha=0.9", Softening(8.0, 0.9)),
    Way("teacher of three times the epochs", teacher=replace(TEACHER, epochs=3 * TEACHER.epochs)),
    Way("student of three times the epochs", longer=3),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Accuracies of one student in one way, seed by seed, alone and taught."""

    net: str
    way: str
    alone: tuple[float, ...]
    taught: tuple[float, ...]

    @property
    def gain(self) -> float:
        """Return what the teacher adds to the mean accuracy."""
        return statistics.fmean(self.taught) - statistics.fmean(self.alone)

    @property
    def beyond_spread(self) -> bool:
        """Say whether the gain is above the standard deviation over seeds of either."""
        return self.gain > max(_spread(self.alone), _spread(self.taught))


def outcome(net: SmallNet, way: Way, seeds: int, zoo: Callable[[Way], SmallZoo]) -> Outcome:
    """Train what is missing of a student in one way.

    Args:
        net: the student.
        way: how it is taught.
        seeds: runs, from seed 0.
        zoo: what trains, by the way.
    """
    student, trains = replace(net, epochs=net.epochs * way.longer), zoo(way)
    pairs = [
        (trains.fp32(student, seed).accuracy, trains.distilled(student, seed).accuracy)
        for seed in range(seeds)
    ]
    alone, taught = zip(*pairs, strict=True)
    return Outcome(net.name, way.name, alone, taught)


def print_outcomes(out: Console, outcomes: Sequence[Outcome]) -> None:
    """Print the table, in percent."""
    table = Table(box=None, pad_edge=False)
    for number, column in enumerate(_COLUMNS):
        table.add_column(column, justify="left" if number < 2 else "right")
    for found in outcomes:
        numbers = [
            100 * number
            for shares in (found.alone, found.taught)
            for number in (statistics.fmean(shares), _spread(shares))
        ]
        table.add_row(
            found.net,
            found.way,
            str(len(found.alone)),
            *(f"{number:.1f}" for number in numbers),
            f"{100 * found.gain:+.1f}",
            "yes" if found.beyond_spread else "no",
        )
    print_wide(out, table)


def main(
    only: Annotated[str, typer.Option(help="Nets, parted by commas.")] = "xception,googlenet",
    seeds: Annotated[int, typer.Option(min=2, help="Runs of each net.")] = 3,
    minutes: Annotated[float, typer.Option(help="Begin no way after so long.")] = 600.0,
) -> None:
    """Train what is missing, and print the table of what is there."""
    ends = time.monotonic() + minutes * 60
    found: list[Outcome] = []
    with one_thread():
        for way in WAYS:
            for net in (net for net in NETS if net.name in only.split(",")):
                if time.monotonic() > ends:
                    console.print(f"left out: {net.name}, {way.name}", markup=False)
                else:
                    found.append(outcome(net, way, seeds, _zoo))
    print_outcomes(console, sorted(found, key=lambda row: row.net))


def _zoo(way: Way) -> SmallZoo:
    def say(text: str) -> None:
        console.print(f"{time.strftime('%H:%M:%S')} {way.name}: {text}", markup=False)

    return SmallZoo(FOLDER, way.teacher, say, softening=way.softening)


def _spread(shares: Sequence[float]) -> float:
    return statistics.stdev(shares)


if __name__ == "__main__":
    typer.run(main)
