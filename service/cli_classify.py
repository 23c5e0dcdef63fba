"""The command `featherbox classify`: files, folders and a watched folder, here or on a server."""

import csv
import json
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Protocol

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from service.cli_common import RepositoryOption, fail, load_models, settings_with
from service.client import Client
from service.engine.decode import DecodeLimits
from service.engine.host import worker_threads
from service.errors import FeatherboxError, ServerUnreachable
from service.photo_files import expand, watch


class Prediction(Protocol):
    """One label, from the engine or from the client."""

    @property
    def label(self) -> str: ...
    @property
    def index(self) -> int: ...
    @property
    def probability(self) -> float: ...


Classify = Callable[[bytes], Sequence[Prediction]]


class Format(StrEnum):
    """How answers are written."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"


# Enough to keep a small box busy while photos are read here.
_REMOTE_JOBS = 4


def classify(  # noqa: PLR0913, PLR0917  # an option each
    photos: Annotated[
        list[Path] | None, typer.Argument(help="Image files and folders.", show_default=False)
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model; default from the settings.")] = None,
    top_k: Annotated[int, typer.Option(min=1, help="How many labels.")] = 5,
    model_repository: RepositoryOption = None,
    output: Annotated[
        Format, typer.Option("--format", help="How answers are printed.")
    ] = Format.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    watch: Annotated[
        Path | None,
        typer.Option(help="Go on with every photo that appears in this folder, until Ctrl-C."),
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Ask the server there instead of loading a model here.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the bearer token for that server.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=0, max=64, help="Photos at a time; 0 chooses.")] = 0,
) -> None:
    """Classify photos, here or on a server. Exits 1 if a photo has no answer.

    Answers come in the order of the photos, folders searched at any depth; send them to a file
    and a progress bar shows how far they are.
    """
    if not photos and watch is None:
        fail("name photos or folders, or a folder to --watch")
    jobs = jobs or (_REMOTE_JOBS if url else worker_threads())
    if url:
        ask = _of_server(url, token_file, model, top_k, jobs)
    else:
        ask = _of_this_process(model_repository, model, top_k)
    form = Format.JSON if as_json else output
    try:
        failed = run(ask, photos or [], watch, form, jobs)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")
    raise typer.Exit(1 if failed else 0)


def _of_this_process(repository: Path | None, model: str | None, top_k: int) -> Classify:
    """Load the model here; return what classifies with it."""
    settings = settings_with(model_repository=repository, default_model=model)
    served = load_models(settings, [settings.default_model])[0]
    try:
        loaded = served.require()
    except FeatherboxError:
        fail(served.reason or "the model could not be loaded")
    limits = DecodeLimits(
        settings.max_header_pixels, settings.max_decoded_pixels, settings.reducing_gap
    )
    return lambda data: loaded.classify(data, top_k, limits).predictions


def _of_server(
    url: str, token_file: Path | None, model: str | None, top_k: int, jobs: int
) -> Classify:
    """Return what asks a server, which must be there."""
    try:
        token = token_file.read_text(encoding="utf-8").strip() if token_file else None
        client = Client(url, token=token, connections=jobs)
        client.ready()
    except ServerUnreachable as error:
        fail(error.detail)
    except OSError as error:
        fail(f"{token_file}: {error.strerror}")
    return lambda data: client.classify(data, model=model, top_k=top_k).predictions


def run(
    classify: Classify, photos: list[Path], watched: Path | None, form: Format, jobs: int
) -> int:
    """Classify photos and print their answers in order; return the number without one.

    Args:
        classify: returns the labels of an image, best first, or raises.
        photos: files and folders.
        watched: a folder whose new photos follow, until SIGINT or SIGTERM; None for none.
        form: how answers are written to standard output; errors go to standard error.
        jobs: how many photos are worked on at a time.
    """
    files = expand(photos)
    if photos and not files:
        fail(f"there are no photos under {', '.join(map(str, photos))}")
    write = _writer(form)
    failed = 0
    with ThreadPoolExecutor(jobs) as pool:
        for photo, answer in _in_order(pool, classify, _shown(files), jobs):
            failed += _print(photo, answer, write)
        if watched is not None:
            for photo in _watched(watched):
                failed += _print(photo, pool.submit(_classify, classify, photo), write)
    return failed


def _in_order(
    pool: ThreadPoolExecutor, classify: Classify, photos: Iterable[Path], jobs: int
) -> Iterator[tuple[Path, "Future[Sequence[Prediction]]"]]:
    """Work on a few photos ahead of the one whose answer is next."""
    ahead: deque[tuple[Path, Future[Sequence[Prediction]]]] = deque()
    for photo in photos:
        ahead.append((photo, pool.submit(_classify, classify, photo)))
        if len(ahead) > 2 * jobs:
            yield ahead.popleft()
    yield from ahead


def _classify(classify: Classify, photo: Path) -> Sequence[Prediction]:
    return classify(photo.read_bytes())


def _print(photo: Path, answer: "Future[Sequence[Prediction]]", write: "_Write") -> bool:
    """Print one answer, or why there is none; return whether there is none."""
    try:
        write(photo, answer.result())
    except FeatherboxError as error:
        reason = error.detail
    except OSError as error:
        reason = error.strerror or type(error).__name__
    else:
        return False
    typer.echo(f"{photo}: {reason}", err=True)
    return True


_Write = Callable[[Path, Sequence[Prediction]], None]


def _writer(form: Format) -> _Write:
    if form is Format.JSON:
        return _write_json
    if form is Format.CSV:
        rows = csv.writer(sys.stdout, lineterminator="\n")
        rows.writerow(("file", "rank", "label", "index", "probability"))

        def write(photo: Path, predictions: Sequence[Prediction]) -> None:
            for rank, p in enumerate(predictions, 1):
                rows.writerow((photo, rank, p.label, p.index, round(p.probability, 6)))
            sys.stdout.flush()

        return write
    return _write_text


def _write_json(photo: Path, predictions: Sequence[Prediction]) -> None:
    rows = [
        {"label": p.label, "index": p.index, "probability": round(p.probability, 6)}
        for p in predictions
    ]
    typer.echo(json.dumps({"file": str(photo), "predictions": rows}))


def _write_text(photo: Path, predictions: Sequence[Prediction]) -> None:
    lines = [f"  {p.probability:6.1%}  {p.label}" for p in predictions]
    typer.echo("\n".join([str(photo), *lines]))


def _shown(photos: list[Path]) -> Iterator[Path]:
    """Yield the photos, with a progress bar where answers go to a file and a person looks on."""
    if sys.stdout.isatty() or not sys.stderr.isatty() or len(photos) < 2:
        yield from photos
        return
    columns = (
        TextColumn("classifying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield from progress.track(photos)


def _watched(folder: Path) -> Iterator[Path]:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    coming = watch(folder, stop)
    typer.echo(f"watching {folder}{os.sep}", err=True)
    yield from coming
