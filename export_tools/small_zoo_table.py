"""The zoo's nets at small input, as trained, in int8, pruned and distilled: one table.

    python -m export_tools.small_zoo_table [--minutes N] [--seeds 3] [--save]

Every net is trained on 1,000 hard digits (`training.digits`) and tested on 3,000 others. Finished
results are kept under build/small-zoo, so that the command goes on where it was stopped; timings
are always taken anew, all graphs of a net in turns. With --save the table is written into
docs/training.md and docs/small-zoo.csv.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from export_tools.torch_graph import one_thread
from export_tools.training.small_nets import NETS, TEACHER
from export_tools.training.small_table import Row, print_table, save_table, summarise
from export_tools.training.small_zoo import SmallNet, SmallZoo

FOLDER = Path("build/small-zoo")
console = Console()


def jobs(nets: tuple[SmallNet, ...], seeds: int) -> Iterator[tuple[SmallNet, int, str]]:
    """Yield what there is to do: a seed of all nets before the next, the control last."""
    for seed in range(seeds):
        for kind in ("fp32", "int8", "pruned", "distilled"):
            yield from ((net, seed, kind) for net in nets)
    yield from ((net, 0, "longer") for net in nets)


def main(
    minutes: Annotated[float, typer.Option(help="Stop training after so long.")] = 600.0,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each net.")] = 3,
    only: Annotated[str, typer.Option(help="Nets, parted by commas.")] = "",
    save: Annotated[bool, typer.Option("--save", help="Write the page's table and CSV.")] = False,
) -> None:
    """Train what is missing, and print the table of what is there."""
    ends = time.monotonic() + minutes * 60
    nets = tuple(net for net in NETS if not only or net.name in only.split(","))

    def say(text: str) -> None:
        if time.monotonic() > ends:
            raise OutOfTime(text)
        console.print(text, markup=False)

    zoo = SmallZoo(FOLDER, TEACHER, say)
    rows: list[Row] = []
    missing: list[str] = []
    with one_thread():
        for net, seed, kind in jobs(nets, seeds):
            try:
                rows.append(Row(net, seed, kind, getattr(zoo, kind)(net, seed)))
            except OutOfTime:
                missing.append(f"{net.name}, seed {seed}: {kind}")
        lines = summarise(rows)
    print_table(console, lines, zoo.fp32(TEACHER, 0))
    if missing:
        console.print(f"missing: {len(missing)}; call it again for {missing[0]} and what follows")
    if save:
        save_table(lines, zoo.fp32(TEACHER, 0))


class OutOfTime(Exception):
    """There is no time to begin what is not found finished."""


if __name__ == "__main__":
    typer.run(main)
