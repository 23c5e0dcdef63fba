"""What an artifact costs to load: milliseconds and memory, in a process of its own.

    python -m export_tools.pack.footprint model_repository/squeezenet1_1*/1

Times mean something on a quiet box only. Memory is what stays when the load is over and what it
freed was given back, as the server does.
"""

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

_LOAD = """
import sys, time
from pathlib import Path
from service.engine.artifact import load_artifact
from service.engine.memory import give_back_memory, resident_bytes
from service.engine.session import SessionOptions
before, started = resident_bytes(), time.perf_counter()
model = load_artifact(Path(sys.argv[1]), SessionOptions()).widened(SessionOptions())
spent = (time.perf_counter() - started) * 1e3
give_back_memory()
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


def main() -> None:
    """Measure artifacts and print a line for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path, help="version folders")
    for folder in parser.parse_args().folders:
        found = footprint(folder)
        Console().print(f"{folder}: {found.load_ms:.0f} ms, {found.memory_bytes / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
