"""The command `featherbox-export`: from a checkpoint or an ONNX file to what is served.

`export` and `quantize` write into a working repository (`build/models`), `publish` copies a model
from there to where it is served. Whatever fails writes nothing and exits with status 1.
"""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from export_tools import cli_adopt, cli_evaluate, cli_pack, cli_prune, cli_train
from export_tools import cli_compress as compress
from export_tools import cli_options as options
from export_tools.adopt import adopt_model
from export_tools.artifacts import Built, build_shipped, publish_all
from export_tools.cli_progress import progress_on
from export_tools.cli_support import (
    REPOSITORY,
    WORK,
    From,
    Name,
    Replace,
    To,
    errors_told,
    publish_to,
    read_model,
)
from export_tools.fp32 import build_fp32
from export_tools.int8 import Choices, build_int8, gates_for
from export_tools.request import Typed, resolve
from export_tools.scheme_table import compare_schemes, print_schemes
from export_tools.schemes import DEFAULT_TARGET
from export_tools.tables import print_builds, print_wide
from export_tools.training.own_int8 import quantize_on
from export_tools.zoo_list import accuracy_table, nets_table
from export_tools.zoo_table import counts_table

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Turn PyTorch checkpoints into the artifacts that Featherbox serves.",
)
console = Console()
cli_train.register(app)
cli_prune.register(app)
cli_pack.register(app)
cli_evaluate.register(app)

Version = Annotated[int | None, typer.Option("--version", min=1, help="Default: the next one.")]


@app.command("list")
def list_() -> None:
    """List the nets: options, counts, published accuracy, sources of weights, what ships."""
    print_wide(console, nets_table())
    console.print()
    print_wide(console, accuracy_table())


@app.command("table")
def table_() -> None:
    """Print parameters and MACs of every variant, counted from the nets themselves."""
    print_wide(console, counts_table())


@app.command()
def export(  # noqa: PLR0913, PLR0917  (one argument for each option of the command)
    net: Annotated[str, typer.Argument(help="A net of `list`.")],
    source: options.Source = None,
    weights: options.Weights = None,
    random_weights: options.RandomWeights = False,
    seed: options.Seed = 0,
    variant: options.Variant = None,
    input_size: options.InputSize = None,
    classes: options.Classes = None,
    name: Name = None,
    labels: options.Labels = None,
    selftest: options.Selftest = None,
    to: To = WORK,
    replace: Replace = False,
) -> None:
    """Export a net with its weights to an fp32 model."""
    typed = Typed(
        net=net,
        source=source,
        weights=weights,
        random_weights=random_weights,
        seed=seed,
        variant=variant or (),
        input_size=input_size,
        classes=classes,
        labels=labels,
        name=name,
        selftest=selftest,
    )
    with errors_told():
        request = resolve(typed)
        with progress_on(console) as say:
            result = build_fp32(request, lambda step: say(request.name, step))
        print_builds(console, [Built(result.draft, parity=result.parity)])
        if result.untrained:
            console.print(f"not trained: {result.untrained}", markup=False)
        publish_to(console, result.draft, to, None, replace)


@app.command("adopt")
def adopt_(  # noqa: PLR0913, PLR0917  (one argument for each option of the command)
    model: cli_adopt.Model,
    labels: cli_adopt.Labels,
    layout: cli_adopt.Layout = "NCHW",
    mean: cli_adopt.Mean = "0",
    std: cli_adopt.Std = "1",
    value_range: cli_adopt.Range = "255",
    channels: cli_adopt.Channels = "RGB",
    resize: cli_adopt.Resize = None,
    crop: cli_adopt.Crop = None,
    interpolation: cli_adopt.Filter = "bilinear",
    softmax: cli_adopt.Softmax = None,
    output: cli_adopt.Output = None,
    licence: cli_adopt.Licence = None,
    unsure: cli_adopt.Unsure = False,
    name: Name = None,
    selftest: options.Selftest = None,
    to: To = WORK,
    replace: Replace = False,
) -> None:
    """Turn an ONNX classifier that others made into a model; see docs/models.md."""
    typed = cli_adopt.TypedAdopt(
        model=model,
        labels=labels,
        layout=layout,
        mean=mean,
        std=std,
        range=value_range,
        channels=channels,
        resize=resize,
        crop=crop,
        interpolation=interpolation,
        softmax=softmax,
        output=output,
        licence=licence,
        unsure=unsure,
        name=name,
        selftest=selftest,
    )
    with errors_told():
        request = cli_adopt.adopt_request(typed)
        with progress_on(console) as say:
            adopted = adopt_model(request, lambda step: say(request.name, step))
        print_builds(console, [Built(adopted.draft, parity=adopted.parity)])
        publish_to(console, adopted.draft, to, None, replace)


@app.command()
def quantize(  # noqa: PLR0913, PLR0917  (one argument for each option of the command)
    model: Annotated[str, typer.Argument(help="An fp32 model of the repository.")],
    name: Name = None,
    target: compress.Target = DEFAULT_TARGET,
    equalise: compress.Equalise = 0.0,
    float_first: compress.FloatFirst = 0,
    float_budget: compress.FloatBudget = 0.0,
    compensate: compress.Compensate = True,
    smallest_speedup: compress.SmallestSpeedup = None,
    data: compress.OwnPhotos = None,
    from_: From = WORK,
    to: To = WORK,
    replace: Replace = False,
) -> None:
    """Make an int8 model from an fp32 one; nothing is written when a gate fails."""
    with errors_told():
        parent, child = read_model(from_, model), name or f"{model}-int8"
        gates = gates_for(parent, target)
        choices = Choices(target, equalise, float_budget, compensate, float_first)
        if smallest_speedup is not None:
            gates = dataclasses.replace(gates, speedup=smallest_speedup)
        with progress_on(console) as say:
            tell = partial(say, child)
            if data is None:
                result = build_int8(parent, child, tell, gates, choices=choices)
            else:
                result = quantize_on(parent, child, data, tell, gates=gates, choices=choices)
        print_builds(console, [Built(result.draft, agreement=result.agreement)])
        publish_to(console, result.draft, to, None, replace)


@app.command()
def publish(
    model: Annotated[str, typer.Argument(help="A model of the working repository.")],
    from_: From = WORK,
    to: To = REPOSITORY,
    version: Version = None,
    replace: Replace = False,
) -> None:
    """Copy a model to where it is served: tested first, then renamed into place."""
    with errors_told():
        publish_to(console, read_model(from_, model), to, version, replace)


@app.command()
def run(
    recipe: Annotated[Path, typer.Argument(help="A TOML file, or the name of what ships.")],
    to: To = WORK,
    version: Version = None,
    replace: Replace = False,
    report: compress.ReportFolder = None,
) -> None:
    """Run a recipe; finished steps are found again, a failed gate publishes nothing."""
    with errors_told():
        with progress_on(console) as say:
            made = compress.make(recipe, lambda step: say(recipe.stem, step), report)
        print_builds(console, [Built(made.draft, agreement=made.agreement)])
        publish_to(console, made.draft, to, version, replace)


@app.command()
def schemes(
    model: Annotated[str, typer.Argument(help="An fp32 model of the repository.")],
    photos: compress.Photos = None,
    with_: compress.With = None,
    from_: From = REPOSITORY,
) -> None:
    """Compare the int8 schemes of all targets on a model, here and without VNNI (minutes)."""
    with errors_told():
        parent = read_model(from_, model)
        further = {name: read_model(from_, name).graph for name in with_ or ()}
        with progress_on(console) as say:
            rows = compare_schemes(
                parent, lambda name: say(model, name), photos=photos, further=further
            )
        print_schemes(console, rows)


@app.command()
def artifacts(to: To = REPOSITORY) -> None:
    """Rebuild everything that ships; nothing is published unless every gate holds."""
    with errors_told():
        with progress_on(console) as say:
            built = build_shipped(say)
            for item in built:
                say(item.draft.manifest.name, "publishing")
            publish_all(built, to)
        print_builds(console, built)


if __name__ == "__main__":
    app()
