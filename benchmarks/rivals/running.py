"""A rival, started for measurement: in its environment, on loopback, until the block ends."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.rivals.catalogue import Rival
from benchmarks.rivals.environments import environment
from benchmarks.rivals.job import Crop, environment_of
from benchmarks.server import Probe, RunningServer, free_port, running


@contextlib.contextmanager
def running_rival(
    rival: Rival, version_folder: Path, crop: Crop, answers: Probe
) -> Iterator[RunningServer]:
    """Run a rival until the block ends; yield once `answers(port)` holds.

    Args:
        rival: which one.
        version_folder: of the model that it loads.
        crop: resize and crop in two steps ("plain") or in one ("box").
        answers: tells whether it answers correctly.

    Raises:
        NotInstalled: its environment could not be made.
        RuntimeError: it did not start.
    """
    place = environment(rival.environment)
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="rival-", ignore_cleanup_errors=True) as work:
        values = {
            "python": str(place / "bin/python"),
            "bin": str(place / "bin"),
            "port": str(port),
            "work": work,
        }
        variables = {
            **environment_of(version_folder, crop),
            "JOB_PORT": str(port),
            "JOB_FOLDER": work,
            "PYTHONWARNINGS": "ignore",
            "PATH": f"{place / 'bin'}:/usr/local/bin:/usr/bin:/bin",
            **{name: value.format(**values) for name, value in rival.variables.items()},
        }
        log = place / "log.txt"
        with running(rival.command_for(values), port, variables, answers, log=log) as server:
            yield server
