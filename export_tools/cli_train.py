"""The commands `finetune` and `train`, and what they share with `prune` and `distil`."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import torch
import typer
from rich.console import Console

from export_tools import cli_options as options
from export_tools.artifacts import Built
from export_tools.cli_progress import Epochs
from export_tools.cli_support import WORK, Replace, To, errors_told, publish_to
from export_tools.errors import DataError
from export_tools.tables import print_builds, share_with_interval
from export_tools.training.artifact import Finished
from export_tools.training.finetune import Plan
from export_tools.training.jobs import FOLDER, Job, finetune_job, train_job
from export_tools.training.loop import Schedule
from export_tools.training.start import Wanted

DEFAULT_NET = "efficientnet_lite0"
console = Console()

Net = Annotated[str, typer.Argument(help="A net of `list`.")]
Data = Annotated[
    Path, typer.Option("--data", help="A folder a class, or train/ and val/ of such folders.")
]
Name = Annotated[str | None, typer.Option("--name", help="Of the model. Default: the folder's.")]
Device = Annotated[
    Literal["auto", "cpu", "cuda"], typer.Option("--device", help="auto takes CUDA if it is there.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of the split and all that is drawn.")]
States = Annotated[Path, typer.Option("--states", help="Where nets and states are kept.")]
Epochs_ = Annotated[int | None, typer.Option("--epochs", min=0, help="Times through the photos.")]
Batch = Annotated[int | None, typer.Option("--batch", min=2, help="Photos a step.")]
Rate = Annotated[float | None, typer.Option("--rate", help="The highest learning rate.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(finetune)
    app.command()(train)


def finetune(  # noqa: PLR0913, PLR0917  (one argument for each option of the command)
    data: Data,
    net: Net = DEFAULT_NET,
    source: options.Source = None,
    weights: options.Weights = None,
    variant: options.Variant = None,
    input_size: options.InputSize = None,
    epochs: Annotated[
        int, typer.Option("--epochs", min=0, help="With all weights learning; 0: the head alone.")
    ] = 3,
    batch: Batch = None,
    rate: Rate = None,
    name: Name = None,
    device: Device = "auto",
    seed: Seed = 0,
    states: States = FOLDER,
    to: To = WORK,
    replace_: Replace = False,
) -> None:
    """Give pretrained weights the classes of your photos; goes on after a kill."""
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
    plan = Plan()
    whole = changed(replace(plan.whole, epochs=epochs, seed=seed), None, batch, rate)
    plan = replace(plan, head=replace(plan.head, seed=seed), whole=whole)
    with running(name or model_name(data), data, device, seed, states) as job:
        show(finetune_job(job, wanted, plan), to, replace_)


def train(  # noqa: PLR0913, PLR0917  (one argument for each option of the command)
    net: Net,
    data: Data,
    variant: options.Variant = None,
    input_size: options.InputSize = None,
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
    """Train a net from fresh weights; goes on after a kill."""
    wanted = Wanted(
        architecture=net,
        labels=(),
        variant=tuple(variant or ()),
        input_size=input_size,
        seed=seed,
        command=typed_command(),
    )
    schedule = changed(Schedule(epochs=90, batch=64, rate=2e-3, seed=seed), epochs, batch, rate)
    with running(name or model_name(data), data, device, seed, states) as job:
        show(train_job(job, wanted, schedule), to, replace_)


def changed(
    schedule: Schedule, epochs: int | None, batch: int | None, rate: float | None
) -> Schedule:
    """Return a schedule with what was typed in place of its own."""
    return replace(
        schedule,
        epochs=schedule.epochs if epochs is None else epochs,
        batch=batch or schedule.batch,
        rate=rate or schedule.rate,
    )


@contextmanager
def running(name: str, data: Path, device: str, seed: int, states: Path) -> Iterator[Job]:
    """Yield a job with its bars; errors of ours end the command with one sentence."""
    with errors_told(), Epochs(console) as bars:
        yield Job(
            name=name,
            data=data,
            folder=states,
            device=_device(device),
            seed=seed,
            say=lambda text: console.print(f"{name}: {text}", markup=False, soft_wrap=True),
            bar=bars.phase,
        )


def show(finished: Finished, to: Path, replace_: bool) -> None:
    """Print what was made and publish it."""
    draft = finished.result.draft
    print_builds(console, [Built(draft, parity=finished.result.parity)])
    right = finished.right
    if right is not None:
        console.print(f"top-1 on the test photos: {share_with_interval(right.top1, right.images)}")
    publish_to(console, draft, to, None, replace_)


def model_name(data: Path) -> str:
    """Return a name for the model of a folder."""
    return data.resolve().name.lower().replace(" ", "-")


def typed_command() -> str:
    """Return the command as it was typed, for the manifest; places are left out of paths."""
    words = [word if "/" not in word else Path(word).name for word in sys.argv[1:]]
    return shlex.join(["featherbox-export", *words])


def _device(wanted: str) -> str:
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise DataError("There is no CUDA device, or PyTorch was installed without CUDA.")
    return wanted
