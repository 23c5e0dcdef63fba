"""The tables of nets: what each costs, on the terminal and in docs/models.md."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from export_tools.errors import DataError
from export_tools.zoo import ZooRow, zoo_rows

_BEGIN, _END = "<!-- costs -->\n", "<!-- /costs -->\n"
_HEAD = ("net", "px", "parameters", "MACs", "fp32 bytes", "int8 bytes", "size", "speed")


@dataclass(frozen=True, slots=True)
class Costs:
    """What a row's two models cost: bytes of the graphs, ms of one image on one thread at best."""

    row: ZooRow
    parameters: int
    macs: int
    fp32_bytes: int
    int8_bytes: int
    fp32_ms: float
    int8_ms: float

    @property
    def size_ratio(self) -> float:
        """How many times smaller int8 is."""
        return self.fp32_bytes / self.int8_bytes

    @property
    def speed_ratio(self) -> float:
        """How many times faster int8 is."""
        return self.fp32_ms / self.int8_ms


def costs_table(costs: Sequence[Costs]) -> Table:
    """Return the table for the terminal, with this host's milliseconds."""
    table = Table("net", box=None, pad_edge=False)
    for column in (*_HEAD[1:7], "fp32 ms", "int8 ms", "speed"):
        table.add_column(column, justify="right")
    for item in costs:
        first, *cells = _cells(item)
        times = f"{item.fp32_ms:.2f}", f"{item.int8_ms:.2f}"
        table.add_row(first, *cells[:-1], *times, cells[-1])
    return table


def counts_table() -> Table:
    """Return parameters and MACs of every row, counted from the nets as they are built."""
    table = Table("net", box=None, pad_edge=False)
    for column in _HEAD[1:4]:
        table.add_column(column, justify="right")
    for row in zoo_rows():
        parameters, macs = row.counts()
        table.add_row(str(row), str(row.input_size), f"{parameters:,}", f"{macs:,}")
    return table


def write_costs(page: Path, costs: Iterable[Costs]) -> None:
    """Put the table between the page's two marks.

    Raises:
        DataError: the page cannot be read, or has no such marks.
    """
    try:
        text = page.read_text("utf-8")
    except OSError as error:
        raise DataError(f"{page} cannot be read: {error.strerror}.") from error
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise DataError(f"{page} has no lines {_BEGIN.strip()} and {_END.strip()}.")
    page.write_text(before + begin + _markdown(costs) + end + after, "utf-8")


def _markdown(costs: Iterable[Costs]) -> str:
    lines = [_HEAD, ("---", *["---:"] * (len(_HEAD) - 1)), *map(_cells, costs)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cells(item: Costs) -> tuple[str, ...]:
    return (
        str(item.row),
        str(item.row.input_size),
        f"{item.parameters:,}",
        f"{item.macs:,}",
        f"{item.fp32_bytes:,}",
        f"{item.int8_bytes:,}",
        f"{item.size_ratio:.2f}x",
        f"{item.speed_ratio:.2f}x",
    )
