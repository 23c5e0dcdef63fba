"""The command `featherbox bench`: how fast the models are on this box, and what suits it."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from service.cli_common import RepositoryOption, fail, load_models, settings_with
from service.engine.benchmark import Benchmark, measure
from service.engine.host import describe_host, worker_threads
from service.engine.served import ServedModel
from service.engine.session import SessionOptions
from service.engine.sweep import Outcome, layouts, recommend, sweep
from service.errors import FeatherboxError
from service.settings import Settings

_ROUNDS = 5


def bench(
    models: Annotated[
        list[str] | None, typer.Argument(help="Models; all without.", show_default=False)
    ] = None,
    model_repository: RepositoryOption = None,
    seconds: Annotated[
        float, typer.Option(min=0.05, max=30, help="Bound of each figure, s.")
    ] = 0.5,
    as_json: Annotated[bool, typer.Option("--json", help="Figures as JSON.")] = False,
    do_sweep: Annotated[
        bool, typer.Option("--sweep", help="Try which threads and processes suit this box.")
    ] = False,
    write: Annotated[
        Path | None, typer.Option(help="With --sweep: write its settings to this file.")
    ] = None,
) -> None:
    """Measure the models on this box: inference alone, no HTTP.

    With --sweep the first model (or the default one) is tried with several layouts of threads and
    processes, and the settings of the one to use are printed.
    """
    settings = settings_with(model_repository=model_repository)
    if do_sweep:
        _sweep(settings, (models or [settings.default_model])[0], seconds * 2, write, as_json)
        return
    host = describe_host()
    rows = []
    for served in load_models(settings, models or settings.models or None):
        served.widen(_options(settings, worker_threads(host.cpus)))
        rows.append((served, _measured(served, worker_threads(host.cpus), seconds)))
    if as_json:
        typer.echo(json.dumps({s.name: f and f.to_dict() for s, f in rows}, indent=1))
        return
    typer.echo(f"{host.cpu}, {host.cpus:.3g} CPUs, {' '.join(host.isa)}; median ms a call")
    typer.echo(_row_of("model", "batch 1", "p95", "all CPUs", "batch 8", "images/s"))
    for served, figures in rows:
        typer.echo(_row(served, figures))


def _measured(served: ServedModel, threads: int, seconds: float) -> Benchmark | None:
    try:
        return measure(served.require(), threads, seconds)
    except FeatherboxError:
        return None


def _row_of(name: str, *cells: str) -> str:
    return f"{name:30}" + "".join(f"{cell:>10}" for cell in cells)


def _row(served: ServedModel, figures: Benchmark | None) -> str:
    if figures is None:
        return f"{served.name:30}{served.reason or 'it fails'}"
    wide = figures.batch1_all_threads_ms
    return _row_of(
        served.name,
        f"{figures.batch1_ms:.2f}",
        f"{figures.batch1_p95_ms:.2f}",
        "-" if wide is None else f"{wide:.2f}",
        f"{figures.batch8_ms:.2f}",
        f"{figures.images_per_second:.0f}",
    )


def _sweep(
    settings: Settings, name: str, seconds: float, write: Path | None, as_json: bool
) -> None:
    served = load_models(settings, [name])[0]
    if served.loaded is None:
        fail(served.reason or "the model could not be loaded")
    cpus = worker_threads()
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("trying", total=_ROUNDS * len(layouts(cpus)))
        outcomes = sweep(
            served.folder, _options(settings, 1), cpus, rounds=_ROUNDS, seconds=seconds,
            progress=lambda: bar.advance(task),
        )  # fmt: skip
    best = recommend(outcomes)
    chosen = {
        "FEATHERBOX_WORKERS": best.layout.workers,
        "FEATHERBOX_WORKER_THREADS": best.layout.worker_threads,
        "FEATHERBOX_INTRA_OP_THREADS": best.layout.intra_op_threads,
    }
    text = "".join(f"{key}={value}\n" for key, value in chosen.items())
    if write is not None:
        write.write_text(text, encoding="utf-8")
    if as_json:
        typer.echo(json.dumps({"outcomes": [_outcome(o) for o in outcomes], "settings": chosen}))
        return
    typer.echo(f"{name} on {cpus} CPUs, images/s from bytes to labels, {_ROUNDS} rounds")
    typer.echo(_row_of("processes, threads, intra-op", "median", "lowest", "highest"))
    for outcome in outcomes:
        layout = outcome.layout
        figures = (outcome.images_per_second, outcome.lowest, outcome.highest)
        row = _row_of(
            f"{layout.workers}, {layout.worker_threads}, {layout.intra_op_threads}",
            *(f"{figure:.1f}" for figure in figures),
        )
        typer.echo(row + ("  <- use this" if outcome is best else ""))
    typer.echo(f"\n{text}", nl=False)


def _outcome(outcome: Outcome) -> dict[str, float]:
    return {
        "workers": outcome.layout.workers,
        "worker_threads": outcome.layout.worker_threads,
        "intra_op_threads": outcome.layout.intra_op_threads,
        "images_per_second": round(outcome.images_per_second, 1),
        "lowest": round(outcome.lowest, 1),
        "highest": round(outcome.highest, 1),
    }


def _options(settings: Settings, lone_threads: int) -> SessionOptions:
    return SessionOptions(
        tuple(settings.providers),
        settings.allow_provider_fallback,
        settings.intra_op_threads,
        lone_threads,
    )
