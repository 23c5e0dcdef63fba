"""The command `featherbox`: serve, classify photos without a server, list the models."""

import inspect
import logging
import socket
from collections.abc import Callable
from typing import Annotated, Any

import typer
import uvicorn

from service import cli_bench, cli_classify
from service.app import create_app
from service.cli_common import RepositoryOption, fail, load_models, settings_with
from service.engine.repository import ServedModel
from service.errors import ArtifactError, SettingUnusable
from service.logs import configure_logging
from service.running import run_to_the_end
from service.server import server_config
from service.settings import Settings
from service.supervisor import run_workers

logger = logging.getLogger("featherbox")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Compressed, lightweight image classifiers served from one small box.",
)

app.command()(cli_classify.classify)
app.command()(cli_bench.bench)


class _Server(uvicorn.Server):
    """Says where it listens, as soon as it does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start; a port that is taken ends the process."""
        await super().startup(sockets)
        for listener in (listener for server in self.servers for listener in server.sockets):
            host, port = listener.getsockname()[:2]
            logger.info("listening on http://%s:%d", f"[{host}]" if ":" in host else host, port)


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
    settings = settings_with(**flags)
    configure_logging(settings.log_format, settings.log_level)
    try:
        application = create_app(settings)
        if settings.workers > 1:
            application.state.context.pool.close()  # it was made to check the settings
            run_workers(settings)
    except (ArtifactError, SettingUnusable) as error:
        fail(error.detail)
    run_to_the_end(_Server(server_config(application)))


@app.command()
def models(
    model_repository: RepositoryOption = None,
) -> None:
    """Load every model and print the table: size, quality, speed of one image on one thread."""
    settings = settings_with(model_repository=model_repository)
    rows = [_row(served) for served in load_models(settings, settings.models or None)]
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


if __name__ == "__main__":
    app()
