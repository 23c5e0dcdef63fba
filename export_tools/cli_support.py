"""What the commands share: where models are read and written, and how an error is told."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from export_tools.draft import Draft, read_draft
from export_tools.errors import PublishError
from export_tools.evaluate import Classifier
from export_tools.publish import publish, published_versions
from models import ModelError
from service.engine.session import OrtSession, SessionOptions
from service.errors import FeatherboxError

WORK = Path("build/models")
REPOSITORY = Path("model_repository")

From = Annotated[Path, typer.Option("--from", help="Repository to read from.")]
To = Annotated[Path, typer.Option("--to", help="Repository to write to.")]
Name = Annotated[str | None, typer.Option("--name", help="Name of the new model.")]
Replace = Annotated[bool, typer.Option("--replace", help="Replace a version that is there.")]


@contextmanager
def errors_told() -> Iterator[None]:
    """Print an error of ours as one sentence and exit with status 1."""
    try:
        yield
    except (FeatherboxError, ModelError) as error:
        Console(stderr=True).print(str(error), markup=False, style="red")
        sys.exit(1)


def publish_to(
    console: Console, draft: Draft, to: Path, version: int | None, replace: bool
) -> None:
    """Publish a draft and say where; raises `PublishError`."""
    folder = publish(draft, to, version=version, replace=replace)
    console.print(f"published {folder}", markup=False)


def read_model(repository: Path, reference: str) -> Draft:
    """Read `name` (its highest version) or `name:version`; raises `PublishError`."""
    name, colon, version = reference.partition(":")
    versions = published_versions(repository, name)
    if not versions or (colon and version not in map(str, versions)):
        raise PublishError(f"There is no model {reference} in {repository}.")
    return read_draft(repository / name / (version if colon else str(versions[-1])))


def classifier(draft: Draft) -> Classifier:
    """Load a draft into a session."""
    return Classifier(OrtSession(draft.graph, SessionOptions()), draft.manifest.input)
