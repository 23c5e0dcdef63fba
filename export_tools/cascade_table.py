"""What `evaluate --cascade` prints: a row a threshold, and whether a cascade pays."""

from rich.console import Console
from rich.table import Table

from export_tools.cascade import Cascade, Outcome, best_threshold, keeps
from export_tools.tables import print_skipped, print_wide, share


def print_cascade(
    console: Console, cascade: Cascade, small: str, large: str, tolerance: float
) -> None:
    """Print each model alone, the cascade at each threshold, and what to do."""
    table = Table(box=None, pad_edge=False)
    table.add_column("threshold")
    counted = "top-1" if cascade.labelled else f"agreement with {large}"
    for column in (counted, f"answered by {small}", "mean latency, ms"):
        table.add_column(column, justify="right")

    def add(name: str, outcome: Outcome, answered: str) -> None:
        right = share(outcome.right, cascade.images)
        table.add_row(name, right, answered, f"{outcome.mean_ms:.2f}")

    add(f"{small} alone", cascade.small, "all")
    add(f"{large} alone", cascade.large, "none")
    for threshold, outcome in cascade.by_threshold.items():
        add(f"{threshold:.2f}", outcome, share(outcome.by_small, cascade.images))
    print_wide(console, table)
    console.print(
        f"{cascade.images} images, timed {cascade.rounds} times each in turns, on one thread; an "
        f"image that goes on to {large} is decoded twice",
        markup=False,
        soft_wrap=True,
    )
    console.print(
        advice(cascade, small, large, tolerance), markup=False, soft_wrap=True, highlight=False
    )
    print_skipped(console, cascade.skipped)


def advice(cascade: Cascade, small: str, large: str, tolerance: float) -> str:
    """Say in one sentence what the figures recommend, `tolerance` being accuracy to lose."""
    alone, within = cascade.large.mean_ms, f"within {tolerance:g}"
    if cascade.small.mean_ms < alone and keeps(cascade, cascade.small, tolerance):
        return (
            f"No cascade is needed: {small} alone answers as well as {large} {within}, "
            f"in {cascade.small.mean_ms:.2f} instead of {alone:.2f} ms."
        )
    best = best_threshold(cascade, tolerance)
    if best is not None:
        outcome = cascade.by_threshold[best]
        return (
            f"FEATHERBOX_CASCADE_CONFIDENCE={best:g} keeps the answers of {large} {within}, in "
            f"{outcome.mean_ms:.2f} instead of {alone:.2f} ms "
            f"({1 - outcome.mean_ms / alone:.0%} less)."
        )
    fit = [o.mean_ms for t, o in cascade.by_threshold.items() if t and keeps(cascade, o, tolerance)]
    why = (
        f"at the best threshold that keeps the answers of {large} {within} it takes "
        f"{min(fit):.2f} ms, {large} alone {alone:.2f} ms"
        if fit
        else f"no threshold keeps the answers of {large} {within}"
    )
    return f"The cascade does not pay: {why}. Leave FEATHERBOX_CASCADE_CONFIDENCE at 0."
