"""The options of `featherbox-export export`, with the help that the command prints."""

from pathlib import Path
from typing import Annotated

import typer

Source = Annotated[
    str | None, typer.Option("--source", help="Where the weights come from, see `list`.")
]
Weights = Annotated[
    str | None,
    typer.Option("--weights", help="A file of the source's layout, timm:NAME or torchvision:NAME."),
]
RandomWeights = Annotated[
    bool, typer.Option("--random-weights", help="Weights that were never trained.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of the random weights.")]
Variant = Annotated[
    list[str] | None, typer.Option("--variant", help="An option, as width=0.5; repeatable.")
]
InputSize = Annotated[
    int | None, typer.Option("--input-size", min=1, help="Side of the input, px.")
]
Classes = Annotated[
    int | None, typer.Option("--classes", min=1, help="Another number gets a fresh classifier.")
]
Labels = Annotated[
    Path | None, typer.Option("--labels", help="A label a line. Default: ImageNet-1k.")
]
Selftest = Annotated[
    Path | None, typer.Option("--selftest", help="A JPEG on which the net is sure.")
]
