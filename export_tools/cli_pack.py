"""`featherbox-export pack` and `expand`: weights entropy-coded, and plain again."""

from typing import Annotated, cast, get_args

import typer
from rich.console import Console

from export_tools.artifacts import Built
from export_tools.cli_progress import progress_on
from export_tools.cli_support import (
    WORK,
    From,
    Name,
    Replace,
    To,
    errors_told,
    publish_to,
    read_model,
)
from export_tools.errors import DataError
from export_tools.pack.draft import expand_draft, finish_packed, images_for, pack_draft
from export_tools.pack.mixtures import MIXTURES
from export_tools.pack.plan import Levels, PackPlan, Steps
from export_tools.tables import print_builds

console = Console()

Bits = Annotated[
    float, typer.Option("--bits", min=0.5, max=16, help="Bits of a weight, on average.")
]
LevelsOption = Annotated[
    str, typer.Option("--levels", help=f"What weights become: {', '.join(get_args(Levels))}.")
]
StepsOption = Annotated[
    str, typer.Option("--steps", help=f"How steps are shared: {', '.join(get_args(Steps))}.")
]
Compensate = Annotated[bool, typer.Option(help="Let weights make up for others' rounding.")]
Prune = Annotated[float, typer.Option("--prune", min=0, max=0.99, help="Share made zero.")]
Images = Annotated[int, typer.Option("--images", min=1, help="Mixtures to calibrate with.")]
Dreams = Annotated[int, typer.Option("--dreams", min=0, help="The net's own images, besides.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(pack)
    app.command()(expand)


def pack(  # noqa: PLR0913, PLR0917  (one argument for each option of the command)
    model: Annotated[str, typer.Argument(help="An fp32 model of the repository.")],
    bits: Bits = 3.0,
    levels: LevelsOption = "trellis",
    steps: StepsOption = "fisher",
    compensate: Compensate = True,
    prune: Prune = 0.0,
    images: Images = MIXTURES,
    dreams: Dreams = 0,
    name: Name = None,
    from_: From = WORK,
    to: To = WORK,
    replace: Replace = False,
) -> None:
    """Pack an fp32 model's weights into model.fbz (minutes); see docs/pack.md."""
    with errors_told():
        _one_of(levels, Levels, "--levels")
        _one_of(steps, Steps, "--steps")
        plan = PackPlan(bits, cast(Levels, levels), cast(Steps, steps), compensate, prune)
        parent, child = read_model(from_, model), name or f"{model}-packed"
        with progress_on(console) as say:
            sets = images_for(parent, images, dreams)
            packed = pack_draft(parent, plan, sets, lambda step: say(child, step))
            result = finish_packed(parent, child, packed, lambda step: say(child, step))
        print_builds(console, [Built(result.draft, agreement=result.agreement)])
        publish_to(console, result.draft, to, None, replace)


def expand(
    model: Annotated[str, typer.Argument(help="A packed model of the repository.")],
    name: Name = None,
    from_: From = WORK,
    to: To = WORK,
    replace: Replace = False,
) -> None:
    """Turn a packed model into a plain one of the same answers, which Triton loads too."""
    with errors_told():
        packed = read_model(from_, model)
        publish_to(console, expand_draft(packed, name or f"{model}-expanded"), to, None, replace)


def _one_of(value: str, allowed: object, option: str) -> None:
    if value not in get_args(allowed):
        raise DataError(f"{option} is one of {', '.join(get_args(allowed))}, not {value}.")
