"""The short tables at the end of a command, and how counts are written in them."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from export_tools.artifacts import Built
from export_tools.confidence import BINS, Honesty
from export_tools.evaluate import Evaluation, interval
from export_tools.temperature import Fitted

_WIDTH = 160


def share(hits: int, images: int) -> str:
    """Write a share with its counts, as `0.939 (169/180)`; a dash for none."""
    return f"{hits / images:.3f} ({hits}/{images})" if images else "-"


def share_with_interval(hits: int, images: int) -> str:
    """Write a share with its counts and its 95 % interval."""
    if not images:
        return "-"
    low, high = interval(hits, images)
    return f"{share(hits, images)}, 95 % between {low:.3f} and {high:.3f}"


def ece_with_chance(found: Honesty) -> str:
    """Write the ECE with its count and what an honest model would have by chance."""
    return (
        f"{found.ece:.3f} ({found.images} images, {BINS} bins); "
        f"honest probabilities would have {found.chance:.3f} by chance"
    )


def print_wide(console: Console, table: Table) -> None:
    """Print a table at its full width; a narrow terminal wraps its lines and loses nothing."""
    Console(file=console.file, width=_WIDTH).print(table, crop=False)


def print_builds(console: Console, built: Sequence[Built]) -> None:
    """Print a row a model: size, counts, gates, speed beside fp32 on this host."""
    table = Table(box=None, pad_edge=False)
    table.add_column("model")
    for column in ("bytes", "parameters", "MACs", "parity", "agreement", "where sure", "speed"):
        table.add_column(column, justify="right")
    for item in built:
        manifest, parent = item.draft.manifest, item.draft.measured.get("parent")
        found = item.agreement
        table.add_row(
            manifest.name,
            f"{manifest.file_bytes:,}",
            f"{manifest.parameters:,}" if manifest.parameters else "-",
            f"{manifest.macs:,}" if manifest.macs else "-",
            f"{item.parity.max_difference:.1e}" if item.parity else "-",
            share(found.same, found.images) if found else "-",
            share(found.sure_same, found.sure_images) if found else "-",
            f"{parent['speed_ratio']:.2f}x fp32" if parent else "1",
        )
    print_wide(console, table)


def print_evaluation(console: Console, evaluation: Evaluation, parent: str | None) -> None:
    """Print what was counted on a data set."""
    right, same = evaluation.accuracy, evaluation.agreement
    if right.images:
        console.print(f"top-1      {share_with_interval(right.top1, right.images)}")
        console.print(f"top-5      {share_with_interval(right.top5, right.images)}")
        console.print(f"ECE        {ece_with_chance(evaluation.honesty)}", soft_wrap=True)
    if parent is not None:
        console.print(f"agreement  {share_with_interval(same.same, same.images)} with {parent}")
        console.print(f"- sure     {share_with_interval(same.sure_same, same.sure_images)}")
    print_skipped(console, evaluation.skipped)


def print_fitted(console: Console, fitted: Fitted) -> None:
    """Print a temperature and what it is worth on the photos that did not find it."""
    before, after = fitted.before, fitted.after
    console.print(f"temperature  {fitted.temperature:g}, found on {fitted.images} images")
    held_out = f"{before.honesty.images} held-out images"
    console.print(f"NLL          {before.nll:.3f} -> {after.nll:.3f} nats, {held_out}")
    console.print(f"ECE before   {ece_with_chance(before.honesty)}", soft_wrap=True)
    console.print(f"ECE after    {ece_with_chance(after.honesty)}", soft_wrap=True)


def print_skipped(console: Console, skipped: Sequence[str]) -> None:
    """Name the first images that could not be decoded."""
    for line in skipped[:10]:
        console.print(f"skipped    {line}", markup=False)
    if len(skipped) > 10:
        console.print(f"skipped    {len(skipped) - 10} more")
