"""A model repository and a server that the tests of the service share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.artifacts import write_artifact
from tests.support.server import LiveServer, serving, settings_for


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository of `colours` (the default) in versions 1 and 2, and `another`."""
    folder = tmp_path_factory.mktemp("repository")
    write_artifact(folder, "colours", 1)
    write_artifact(folder, "colours", 2)
    write_artifact(folder, "another", 1, precision="int8")
    return folder


@pytest.fixture(scope="session")
def server(repository: Path) -> Iterator[LiveServer]:
    """Return a running server, for tests that leave it as it was."""
    with serving(settings_for(repository)) as live:
        yield live


@pytest.fixture
def small_server(repository: Path) -> Iterator[LiveServer]:
    """Return a server with one thread and two waiting places, for tests of its limits."""
    with serving(settings_for(repository, worker_threads=1, queue_per_thread=2)) as live:
        yield live
