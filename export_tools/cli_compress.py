"""What `featherbox-export run` and `schemes` do and take."""

from pathlib import Path
from typing import Annotated

import typer

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
