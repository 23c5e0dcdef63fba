"""What an artifact costs to load: milliseconds and memory, in a process of its own."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_LOAD = """
import sys, time
from pathlib import Path
from service.engine.artifact import load_artifact
from service.engine.memory import resident_bytes
from service.engine.session import SessionOptions
before, started = resident_bytes(), time.perf_counter()
model = load_artifact(Path(sys.argv[1]), SessionOptions()).widened(SessionOptions())
spent = (time.perf_counter() - started) * 1e3
print(spent, resident_bytes() - before)
"""
_RUNS = 3


@dataclass(frozen=True, slots=True)
class Footprint:
    """Least time and memory of several loads; memory is what stays after it."""

    load_ms: float
    memory_bytes: int


def footprint(version_folder: Path) -> Footprint:
    """Load an artifact as the server does, some times over, and measure."""
    found = []
    for _ in range(_RUNS):
        ended = subprocess.run(  # noqa: S603  (our own interpreter)
            [sys.executable, "-c", _LOAD, str(version_folder)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        spent, memory = ended.stdout.split()
        found.append((float(spent), int(memory)))
    return Footprint(min(f[0] for f in found), min(f[1] for f in found))
