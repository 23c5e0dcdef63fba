"""The command `featherbox-export adopt`: an ONNX file that others made becomes a model."""

import shlex
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal

import typer

from export_tools.adopt import AdoptRequest, Preprocessing
from export_tools.errors import DataError
from export_tools.photos import selftest_photo
from export_tools.request import read_bytes, read_labels
from service.engine.manifest import Interpolation

Model = Annotated[Path, typer.Argument(help="An ONNX file: one image in, one answer out.")]
Labels = Annotated[Path, typer.Option("--labels", help="A label a line, in the net's order.")]
Layout = Annotated[
    Literal["NCHW", "NHWC"], typer.Option("--layout", help="Axes of the net's input.")
]
Mean = Annotated[str, typer.Option("--mean", help="One number, or three: 0.485,0.456,0.406.")]
Std = Annotated[str, typer.Option("--std", help="One number, or three: 0.229,0.224,0.225.")]
Range = Annotated[
    Literal["1", "255"], typer.Option("--range", help="White before mean and std are applied.")
]
Channels = Annotated[Literal["RGB", "BGR"], typer.Option("--channels", help="Their order.")]
Resize = Annotated[
    int | None, typer.Option("--resize", min=1, help="Shorter side before the crop, px.")
]
Crop = Annotated[
    int | None, typer.Option("--crop", min=1, help="Side of the input, px; where it is free.")
]
Filter = Annotated[
    Interpolation, typer.Option("--interpolation", help="Filter that resizes, as Pillow names it.")
]
Softmax = Annotated[
    bool | None,
    typer.Option("--softmax/--no-softmax", help="Add one, or not. Default: look at the answers."),
]
Output = Annotated[
    str | None, typer.Option("--output", help="The output to take, where there are several.")
]
Licence = Annotated[str | None, typer.Option("--licence", help="Of the weights, if you know it.")]
Unsure = Annotated[
    bool, typer.Option("--unsure", help="Take a model that is not sure on its self-test photo.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedAdopt:
    """The arguments of `adopt` as they were typed."""

    model: Path
    labels: Path
    layout: Literal["NCHW", "NHWC"]
    mean: str
    std: str
    range: Literal["1", "255"]
    channels: Literal["RGB", "BGR"]
    resize: int | None
    crop: int | None
    interpolation: Interpolation
    softmax: bool | None
    output: str | None
    licence: str | None
    unsure: bool
    name: str | None
    selftest: Path | None


def adopt_request(typed: TypedAdopt) -> AdoptRequest:
    """Turn what was typed into a request.

    Raises:
        DataError: a file cannot be read, or a number is none.
    """
    deviations = _triple("--std", typed.std)
    if min(deviations) <= 0:
        raise DataError(f"--std must be above 0: {typed.std}.")
    return AdoptRequest(
        name=typed.name or typed.model.stem.lower().replace(" ", "-"),
        data=read_bytes(typed.model),
        file_name=typed.model.name,
        labels=read_labels(typed.labels),
        selftest=read_bytes(typed.selftest) if typed.selftest else selftest_photo(),
        preprocessing=Preprocessing(
            layout=typed.layout,
            mean=_triple("--mean", typed.mean),
            std=deviations,
            value_range=1 if typed.range == "1" else 255,
            channels=typed.channels,
        ),
        resize=typed.resize,
        crop=typed.crop,
        interpolation=typed.interpolation,
        softmax=typed.softmax,
        output=typed.output,
        licence=typed.licence,
        unsure=typed.unsure,
        command=_command(typed),
    )


def _command(typed: TypedAdopt) -> str:
    """Write the command that makes the model again; files by their names, not their places."""
    words = ["featherbox-export", "adopt", typed.model.name]
    for option in fields(typed):
        value = getattr(typed, option.name)
        if option.name == "model" or value is None or value is False:
            continue
        words.append(f"--{option.name}")
        if value is not True:
            words.append(value.name if isinstance(value, Path) else str(value))
    if typed.softmax is False:
        words.append("--no-softmax")
    return shlex.join(words)


def _triple(option: str, text: str) -> tuple[float, float, float]:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        raise DataError(f"{option} takes one number or three: {text!r}.") from None
    if len(values) == 1:
        values *= 3
    if len(values) != 3:
        raise DataError(f"{option} takes one number or three: {text!r}.")
    red, green, blue = values
    return red, green, blue
