"""The command `featherbox`: serve, classify photos without a server, list the models."""

import inspect
import json
import logging
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
import uvicorn
from pydantic import ValidationError

from service.app import create_app
from service.engine.decode import DecodeLimits
from service.engine.host import describe_host
from service.engine.repository import ModelRepository, ServedModel
from service.engine.session import SessionOptions
from service.errors import ArtifactError, FeatherboxError, SettingUnusable
from service.logs import configure_logging
from service.settings import Settings

logger = logging.getLogger("featherbox")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Compressed, lightweight image classifiers served from one small box.",
)


class _Server(uvicorn.Server):
    """Says where it listens, as soon as it does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start; a port that is taken ends the process."""
        await super().startup(sockets)
        for listener in (listener for server in self.servers for listener in server.sockets):
            host, port = listener.getsockname()[:2]
            logger.info("listening on http://%s:%d", f"[{host}]" if ":" in host else host, port)


RepositoryOption = Annotated[
    Path | None,
    typer.Option("--model-repository", help="Folder that holds the models.", show_default=False),
]


def _flags_of_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one optional flag for each setting; what is not given stays as it was."""
    parameters = []
    for name, field in Settings.model_fields.items():
        flag = "--" + name.replace("_", "-")
        flags = (f"{flag}/--no-{name.replace('_', '-')}",) if field.annotation is bool else (flag,)
        kind: Any = bool if field.annotation is bool else str
        default = field.get_default(call_default_factory=True)
        shown = ",".join(default) if isinstance(default, list) else default
        option = typer.Option(
            *flags,
            help=f"{field.description} \\[env: FEATHERBOX_{name.upper()}; default: {shown}]",
            show_default=False,
        )
        parameters.append(
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[kind | None, option],
            )
        )
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


@app.command()
@_flags_of_settings
def serve(**flags: object) -> None:
    """Run the server until SIGTERM or Ctrl-C. Every flag is also an environment variable."""
    settings = _settings(**flags)
    configure_logging(settings.log_format, settings.log_level)
    try:
        application = create_app(settings)
    except (ArtifactError, SettingUnusable) as error:
        _fail(error.detail)
    config = uvicorn.Config(
        application,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=settings.shutdown_timeout_s,
    )
    with suppress(KeyboardInterrupt):  # uvicorn raises Ctrl-C again once it has stopped
        _Server(config).run()


@app.command()
def classify(
    photos: Annotated[list[Path], typer.Argument(help="Image files.", show_default=False)],
    model: Annotated[str | None, typer.Option(help="Model; default from the settings.")] = None,
    top_k: Annotated[int, typer.Option(min=1, help="How many labels.")] = 5,
    model_repository: RepositoryOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a photo.")] = False,
) -> None:
    """Classify photos on this box, without a server. Exits 1 if a photo has no answer."""
    settings = _settings(model_repository=model_repository, default_model=model)
    served = _load(settings, [settings.default_model])[0]
    try:
        loaded = served.require()
    except FeatherboxError:
        _fail(served.reason or "the model could not be loaded")
    limits = DecodeLimits(settings.max_header_pixels, settings.max_decoded_pixels)
    failed = False
    for photo in photos:
        try:
            answer = loaded.classify(photo.read_bytes(), top_k, limits)
        except (FeatherboxError, OSError) as error:
            failed = True
            reason = error.detail if isinstance(error, FeatherboxError) else error.strerror
            typer.echo(f"{photo}: {reason}", err=True)
            continue
        if as_json:
            predictions = [
                {"label": p.label, "index": p.index, "probability": round(p.probability, 6)}
                for p in answer.predictions
            ]
            typer.echo(json.dumps({"file": str(photo), "predictions": predictions}))
        else:
            typer.echo(f"{photo}")
            for p in answer.predictions:
                typer.echo(f"  {p.probability:6.1%}  {p.label}")
    raise typer.Exit(1 if failed else 0)


@app.command()
def models(
    model_repository: RepositoryOption = None,
) -> None:
    """Load every model and print the table: size, quality, speed of one image on one thread."""
    settings = _settings(model_repository=model_repository)
    rows = [_row(served) for served in _load(settings, settings.models or None)]
    header = ("model", "version", "state", "precision", "kB", "params", "MACs", "agree", "ms")
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    for row in (header, *rows):
        cells = (
            cell.ljust(width) if i in (0, 2, 3) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        typer.echo("  ".join(cells).rstrip())


def _row(served: ServedModel) -> tuple[str, ...]:
    if served.loaded is None:
        return (served.name, str(served.version), "failed", *[""] * 5, served.reason or "")
    manifest = served.loaded.manifest
    agreement = manifest.quality.agreement
    return (
        served.name,
        str(served.version),
        served.state.value,
        manifest.precision,
        f"{manifest.file_bytes / 1e3:.0f}",
        "" if manifest.parameters is None else f"{manifest.parameters / 1e6:.2f}M",
        "" if manifest.macs is None else f"{manifest.macs / 1e6:.0f}M",
        "" if agreement is None else f"{agreement:.3f}",
        f"{served.warmup_ms:.2f}",
    )


def _settings(**overrides: object) -> Settings:
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings.model_validate({**Settings().model_dump(exclude_unset=True), **given})
    except ValidationError as error:
        _fail("; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()))


def _load(settings: Settings, wanted: list[str] | None) -> list[ServedModel]:
    configure_logging("text", "error")
    options = SessionOptions(
        tuple(settings.providers), settings.allow_provider_fallback, settings.intra_op_threads
    )
    try:
        repository = ModelRepository(
            settings.model_repository, options, describe_host(), wanted=wanted
        )
    except ArtifactError as error:
        _fail(error.detail)
    repository.load_all()
    return repository.models


def _fail(reason: str) -> NoReturn:
    typer.echo(f"featherbox: {reason}", err=True)
    sys.exit(2)


if __name__ == "__main__":
    app()
