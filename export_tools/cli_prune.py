"""The commands `prune` and `distil`."""

from typing import Annotated

import typer
from rich.table import Table

from export_tools import cli_options as options
from export_tools.cli_support import REPOSITORY, WORK, From, Replace, To, read_model
from export_tools.cli_train import (
    Batch,
    Data,
    Device,
    Epochs_,
    Name,
    Net,
    Rate,
    Seed,
    States,
    changed,
    console,
    running,
    show,
    typed_command,
)
from export_tools.tables import print_wide
from export_tools.training.distil import Softening
from export_tools.training.jobs import FOLDER, distil_job
from export_tools.training.loop import Schedule
from export_tools.training.prune_job import PruneOutcome, PruneWish, prune_job
from export_tools.training.prune_plan import BLOCK
from export_tools.training.start import Wanted
from export_tools.training.trained import NET_FILE, load_trained


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(prune)
    app.command()(distil)


def prune(  # noqa: PLR0913, PLR0917  (one argument for each option of the command)
    model: Annotated[str, typer.Argument(help="A net that `finetune` or `train` made.")],
    data: Data,
    macs: Annotated[
        float, typer.Option("--macs", min=0.02, max=0.98, help="Share of the MACs to leave.")
    ] = 0.5,
    steps: Annotated[
        int, typer.Option("--steps", min=1, max=20, help="Prune and fine-tune so many times.")
    ] = 1,
    by_sensitivity: Annotated[
        bool, typer.Option("--by-sensitivity", help="Spare the layers that matter; slower.")
    ] = False,
    block: Annotated[
        int, typer.Option("--block", min=1, help="Leave multiples of so many channels.")
    ] = BLOCK,
    epochs: Epochs_ = None,
    batch: Batch = None,
    rate: Rate = None,
    name: Name = None,
    device: Device = "auto",
    seed: Seed = 0,
    states: States = FOLDER,
    to: To = WORK,
    replace_: Replace = False,
) -> None:
    """Take the weakest filters out of a trained net and fine-tune what is left."""
    command = typed_command()
    with running(name or f"{model}-pruned", data, device, seed, states) as job:
        tuning = changed(Schedule(epochs=5, batch=16, rate=5e-4, seed=seed), epochs, batch, rate)
        trained = load_trained(states / model / NET_FILE)
        wish = PruneWish(
            macs=macs, steps=steps, by_sensitivity=by_sensitivity, multiple=block, tuning=tuning
        )
        outcome = prune_job(job, trained, wish, model, f"{trained.command} && {command}")
        show(outcome.finished, to, replace_)
        _show_gain(outcome)


def distil(  # noqa: PLR0913, PLR0917  (one argument for each option of the command)
    net: Net,
    teacher: Annotated[
        str, typer.Option("--teacher", help="A model of the repository; ONNX files by `adopt`.")
    ],
    data: Data,
    temperature: Annotated[float, typer.Option("--temperature", help="Softens answers.")] = 4.0,
    alpha: Annotated[
        float, typer.Option("--alpha", min=0.0, max=1.0, help="The teacher's share of the loss.")
    ] = 0.7,
    scratch: Annotated[
        bool, typer.Option("--scratch", help="Begin with fresh weights, not pretrained ones.")
    ] = False,
    source: options.Source = None,
    weights: options.Weights = None,
    variant: options.Variant = None,
    input_size: options.InputSize = None,
    epochs: Epochs_ = None,
    batch: Batch = None,
    rate: Rate = None,
    name: Name = None,
    device: Device = "auto",
    seed: Seed = 0,
    states: States = FOLDER,
    from_: From = REPOSITORY,
    to: To = WORK,
    replace_: Replace = False,
) -> None:
    """Let a net learn a model's answers, on photos with classes or without."""
    wanted = Wanted(
        architecture=net,
        labels=(),
        variant=tuple(variant or ()),
        input_size=input_size,
        source=source,
        weights=weights,
        seed=seed,
        command=typed_command(),
    )
    first = Schedule(epochs=20, batch=32, rate=2e-3 if scratch else 3e-4, seed=seed)
    schedule = changed(first, epochs, batch, rate)
    with running(name or f"{net}-distilled", data, device, seed, states) as job:
        softening = Softening(temperature, alpha)
        model = read_model(from_, teacher)
        show(distil_job(job, wanted, model, softening, schedule, scratch), to, replace_)


def _show_gain(outcome: PruneOutcome) -> None:
    manifest = outcome.finished.result.draft.manifest
    table = Table(box=None, pad_edge=False)
    for column in ("", "MACs", "parameters", "bytes", "speed"):
        table.add_column(column, justify="right")
    before = (outcome.macs_before, outcome.parameters_before, outcome.bytes_before)
    after = (manifest.macs or 0, manifest.parameters or 0, manifest.file_bytes)
    table.add_row("before", *(f"{count:,}" for count in before), "1")
    table.add_row("after", *(f"{count:,}" for count in after), f"{outcome.speed:.2f}x")
    print_wide(console, table)
