"""The commands that look at answers: `evaluate` and `temperature`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from export_tools import cli_compress as compress
from export_tools import temperature as scaling
from export_tools.cascade import try_cascade
from export_tools.cascade_table import print_cascade
from export_tools.cli_support import (
    REPOSITORY,
    WORK,
    From,
    Replace,
    To,
    classifier,
    errors_told,
    publish_to,
    read_model,
)
from export_tools.datasets import find_items
from export_tools.draft import check_name
from export_tools.errors import DataError
from export_tools.evaluate import evaluate_items
from export_tools.tables import print_evaluation, print_fitted, print_skipped

Labels = Annotated[
    Path | None, typer.Option("--labels", help="The classes of a flat folder's photos.")
]

console = Console()


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(evaluate)
    app.command()(temperature)


def evaluate(
    model: Annotated[str, typer.Argument(help="A model of the repository.")],
    data: Annotated[
        Path | None, typer.Argument(help="Class folders, a CSV, or a folder of photos.")
    ] = None,
    labels: Labels = None,
    parent: Annotated[
        str | None, typer.Option("--parent", help="A model to compare the answers with.")
    ] = None,
    cascade: Annotated[
        str | None, typer.Option("--cascade", help="A faster model that answers where it is sure.")
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option("--tolerance", min=0, max=1, help="Accuracy that a cascade may lose."),
    ] = 0.01,
    imagenet: compress.ImageNet = None,
    from_: From = REPOSITORY,
) -> None:
    """Count a model's right answers, its agreement with another, or what a cascade is worth."""
    with errors_told():
        child = read_model(from_, model)
        items = find_items(compress.one_place(data, imagenet), child.labels, labels)
        if cascade is not None:
            if parent is not None:
                raise DataError("Give --parent or --cascade, not both.")
            small = read_model(from_, cascade)
            with _looked_at(model, len(items)) as done:
                found = try_cascade(small, child, items, done)
            print_cascade(console, found, cascade, model, tolerance)
            return
        if parent is None and all(item.index is None for item in items):
            raise DataError("The photos have no classes: compare with a model by --parent.")
        other = classifier(read_model(from_, parent)) if parent else None
        with _looked_at(model, len(items)) as done:
            result = evaluate_items(classifier(child), items, other, done)
        print_evaluation(console, result, parent)


def temperature(
    model: Annotated[str, typer.Argument(help="A model of the repository.")],
    data: Annotated[Path, typer.Option("--data", help="Labelled photos, as `evaluate` takes.")],
    labels: Labels = None,
    publish: Annotated[
        str | None, typer.Option("--publish", help="Name of a model that has it in its graph.")
    ] = None,
    from_: From = REPOSITORY,
    to: To = WORK,
    replace: Replace = False,
) -> None:
    """Find the temperature that makes probabilities honest; the answers stay the same."""
    with errors_told():
        if publish is not None:
            check_name(publish)
        parent = read_model(from_, model)
        items = find_items(data, parent.labels, labels)
        with _looked_at(model, len(items)) as done:
            fitted = scaling.fit(parent, items, done)
        print_fitted(console, fitted)
        print_skipped(console, fitted.skipped)
        if publish is not None:
            draft = scaling.tempered(parent, publish, fitted, items, data.resolve().name)
            publish_to(console, draft, to, None, replace)


@contextmanager
def _looked_at(model: str, images: int) -> Iterator[Callable[[int], None]]:
    """Show a bar; yield what moves it by a number of images."""
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(model, total=images)
        yield lambda count: progress.advance(task, count)
