"""Fuzz the way from image bytes to the graph's input with damaged files.

    python -m benchmarks.reliability.fuzz_decode --seconds 60 --seed 1 [--folder IMAGES]

The files are decoded in a process of their own, with its memory bounded, which writes down each
one before it decodes it. A finding is a file that ends that process, keeps it for longer than
--slowest seconds, raises anything but an error of `service.errors`, or whose error holds a
decoder's text. Findings are written to build/fuzz/; the exit status is 1 if there is one. The same
seed tries the same files, as many of them as there is time for.
"""

import argparse
import json
import mmap
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.reliability.mutants import make_seeds, mutant, read_seeds
from benchmarks.results import say
from service.engine.decode import DecodeLimits
from service.engine.manifest import InputPolicy
from service.engine.pipeline import image_to_planes
from service.errors import RequestError

_POLICY = InputPolicy(height=224, width=224, resize_shorter=256)
_LIMITS = DecodeLimits()
_MEMORY = 2 << 30  # of the decoding process, bytes
_REPORT_EVERY = 500
_ROOM = 1 << 20  # for the file that is being decoded and, before it, its length in 8 bytes
_FINDINGS = Path("build/fuzz")


@dataclass
class Tally:
    """What came of the files so far."""

    outcomes: Counter[str] = field(default_factory=Counter)
    slowest_ms: float = 0.0
    findings: list[str] = field(default_factory=list)

    @property
    def files(self) -> int:
        """How many files were tried."""
        return self.outcomes.total()

    def take_in(self, line: str) -> None:
        """Add a line of the decoding process."""
        said = json.loads(line)
        self.outcomes.update(said["outcomes"])
        self.slowest_ms = max(self.slowest_ms, said["slowest_ms"])


def main() -> None:
    """Fuzz, and print what came of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="default 60")
    parser.add_argument("--seed", type=int, default=1, help="default 1")
    parser.add_argument("--slowest", type=float, default=5.0, help="time for a file, s; default 5")
    parser.add_argument("--folder", type=Path, help="files to damage; default: made on the spot")
    parser.add_argument("--decode-into", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.decode_into:
        decode_mutants(options)
        return
    tally = fuzz(options)
    for outcome, count in tally.outcomes.most_common():
        say(f"{count:9}  {outcome}")
    say(f"{tally.files} files with seed {options.seed}, the slowest took {tally.slowest_ms:.0f} ms")
    for finding in tally.findings:
        say(f"finding: {finding}")
    sys.exit(1 if tally.findings else 0)


def fuzz(options: argparse.Namespace) -> Tally:
    """Run decoding processes until the time is over; a new one follows each that ends."""
    tally = Tally()
    until = time.monotonic() + options.seconds
    with tempfile.TemporaryDirectory() as folder:
        current = Path(folder) / "current"
        generation = 0
        while (left := until - time.monotonic()) > 0:
            current.write_bytes(bytes(_ROOM))
            status = _one_process(options, tally, current, left, generation)
            generation += 1
            if status:
                length = int.from_bytes(current.read_bytes()[:8])
                kept = _keep(current.read_bytes()[8 : 8 + length], generation)
                how = signal.Signals(-status).name if status < 0 else f"status {status}"
                tally.findings.append(f"{kept}: the decoding process ended with {how}")
    return tally


def _one_process(
    options: argparse.Namespace, tally: Tally, current: Path, seconds: float, generation: int
) -> int:
    """Run one decoding process, take in what it says, and return its exit status."""
    command = [
        sys.executable, "-m", "benchmarks.reliability.fuzz_decode", "--decode-into", str(current),
        "--seconds", str(seconds), "--seed", str(options.seed + 1_000_003 * generation),
        "--slowest", str(options.slowest),
        *(["--folder", str(options.folder)] if options.folder else []),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            said = json.loads(line)
            tally.take_in(line)
            tally.findings += said["findings"]
        return process.wait()


def decode_mutants(options: argparse.Namespace) -> None:
    """Decode damaged files until the time is over; this is the process that may die of one."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    seeds = read_seeds(options.folder) if options.folder else make_seeds()
    numbers = random.Random(options.seed)  # noqa: S311 - repeatable, not secret
    planes = np.empty((3, _POLICY.height, _POLICY.width), np.uint8)
    with options.decode_into.open("r+b") as file:
        current = mmap.mmap(file.fileno(), _ROOM)  # what is written to it outlives the process
    until = time.monotonic() + options.seconds
    outcomes: Counter[str] = Counter()
    findings: list[str] = []
    found, slowest = 0, 0.0
    while (begun := time.monotonic()) < until:
        data = mutant(seeds, numbers)
        current[: 8 + len(data)] = len(data).to_bytes(8) + data
        # the kernel ends this process by SIGALRM, also inside a decoder
        signal.setitimer(signal.ITIMER_REAL, options.slowest)
        outcome = try_one(data, planes)
        signal.setitimer(signal.ITIMER_REAL, 0)
        slowest = max(slowest, time.monotonic() - begun)
        outcomes[outcome] += 1
        if outcome.startswith("BUG"):
            found += 1
            kept = _keep(data, found, options.seed)
            findings.append(f"{kept}: {outcome}")
        if outcomes.total() >= _REPORT_EVERY:
            _report(outcomes, slowest, findings)
            outcomes, findings = Counter(), []
    _report(outcomes, slowest, findings)


def try_one(data: bytes, planes: np.ndarray) -> str:
    """Decode and preprocess one file; return what came of it, a bug beginning with BUG."""
    try:
        image_to_planes(data, _POLICY, _LIMITS, planes)
    except RequestError as error:
        leaked = "0x" in error.detail or error.__cause__ is not None
        return f"BUG: {error.detail}" if leaked else f"{error.status} {error.code}"
    except Exception as error:  # a finding, whatever it is
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"BUG: {type(error).__name__} at {Path(where.filename).name}:{where.lineno}"
    return "200 decoded"


def _report(outcomes: Counter[str], slowest: float, findings: list[str]) -> None:
    say(json.dumps({"outcomes": outcomes, "slowest_ms": slowest * 1e3, "findings": findings}))


def _keep(data: bytes, number: int, seed: int = 0) -> Path:
    _FINDINGS.mkdir(parents=True, exist_ok=True)
    path = _FINDINGS / f"{seed}-{number}"
    path.write_bytes(data)
    return path


if __name__ == "__main__":
    main()
