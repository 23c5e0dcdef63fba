"""What the commands of `featherbox` share: settings from flags, models, an exit with a reason."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError

from service.engine.host import describe_host
from service.engine.repository import ModelRepository, ServedModel
from service.engine.session import SessionOptions
from service.errors import ArtifactError
from service.logs import configure_logging
from service.settings import Settings

RepositoryOption = Annotated[
    Path | None,
    typer.Option("--model-repository", help="Folder that holds the models.", show_default=False),
]


def settings_with(**overrides: object) -> Settings:
    """Return the settings with what was given as flags; a mistake ends the process."""
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings.model_validate({**Settings().model_dump(exclude_unset=True), **given})
    except ValidationError as error:
        fail("; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()))


def load_models(settings: Settings, wanted: list[str] | None) -> list[ServedModel]:
    """Load models in this process, whatever becomes of each."""
    configure_logging("text", "error")
    options = SessionOptions(
        tuple(settings.providers), settings.allow_provider_fallback, settings.intra_op_threads
    )
    try:
        repository = ModelRepository(
            settings.model_repository, options, describe_host(), wanted=wanted
        )
    except ArtifactError as error:
        fail(error.detail)
    repository.load_all()
    return repository.models


def fail(reason: str) -> NoReturn:
    """End the process with a sentence and status 2."""
    typer.echo(f"featherbox: {reason}", err=True)
    sys.exit(2)
