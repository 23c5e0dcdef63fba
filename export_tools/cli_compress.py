"""What `featherbox-export run` and `schemes` do and take, and where `evaluate` looks."""

from pathlib import Path
from typing import Annotated

import typer

from export_tools.errors import DataError
from export_tools.fp32 import Say
from export_tools.recipe import read_recipe
from export_tools.report import write_report
from export_tools.run_recipe import Outcome, run_recipe

ReportFolder = Annotated[
    Path | None, typer.Option("--report", help="A folder for report.html and report.csv.")
]
Photos = Annotated[
    Path | None,
    typer.Option("--photos", help="A folder for the agreement. Default: the gate's views."),
]
With = Annotated[
    list[str] | None, typer.Option("--with", help="A further model made of it; repeatable.")
]
Target = Annotated[
    str, typer.Option("--target", help="The host it is for: x86-vnni, x86-avx2 or arm64.")
]
Equalise = Annotated[
    float,
    typer.Option(
        "--equalise", min=0, max=1, help="Strength of the equalisation, 0.5 is usual; 0 for none."
    ),
]
FloatFirst = Annotated[
    int, typer.Option("--float-first", min=0, help="So many layers, from the image on, stay float.")
]
FloatBudget = Annotated[
    float,
    typer.Option(
        "--float-budget", min=0, max=1, help="Share of the MACs that may stay float, worst first."
    ),
]
Compensate = Annotated[
    bool,
    typer.Option(help="Round weights so that they make up for each other, not to the nearest."),
]
SmallestSpeedup = Annotated[
    float | None,
    typer.Option(
        "--smallest-speedup", min=0, help="Times fp32. Default: 1 on a host of the target's kind."
    ),
]
OwnPhotos = Annotated[
    Path | None,
    typer.Option("--data", help="Calibrate and compare on these photos, as `finetune` took them."),
]
ImageNet = Annotated[
    Path | None,
    typer.Option("--imagenet", help="ImageNet's validation folder: flat, or by WordNet id."),
]


def one_place(data: Path | None, imagenet: Path | None) -> Path:
    """Return where the images are.

    Raises:
        DataError: neither is given, or both.
    """
    place = data or imagenet
    if place is None or (data is not None and imagenet is not None):
        raise DataError("Name the images once: as an argument, or by --imagenet.")
    return place


def make(named: Path, say: Say, report: Path | None) -> Outcome:
    """Run a recipe's file, or one that ships by its name, and write its report if asked for.

    Raises:
        ArtifactError: a step or a gate; there is no report then.
    """
    outcome = run_recipe(read_recipe(named), say, folder=named.parent)
    if report is not None:
        say("report")
        write_report(outcome, report)
    return outcome
