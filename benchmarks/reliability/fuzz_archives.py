"""Fuzz the reader of `model.fbz` with damaged archives whose checksums are right again.

    python -m benchmarks.reliability.fuzz_archives --seconds 60 --seed 1

A finding is an archive that raises anything but an error of `service.errors`, takes more CPU time
than --slowest, or makes Python allocate more than the reader's bound. The exit status is 1 if there
is one. The same seed tries the same archives, as many as there is time for.
"""

import argparse
import random
import sys
import time
import tracemalloc
from collections import Counter

from benchmarks.reliability.files.archives import mutant, small_archive
from benchmarks.results import say
from service.engine.fbz import MOST_GROWTH, SLACK, expand
from service.errors import ArtifactError

# Of the most that an archive may grow to: symbols, contexts and values are there at once.
_COPIES = 5
_TABLES = 4 << 20  # of the coder, bytes


def main() -> None:
    """Fuzz and print what came of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--slowest", type=float, default=2.0, help="for one archive, seconds of CPU"
    )
    options = parser.parse_args()
    numbers = random.Random(options.seed)  # noqa: S311 - repeatable, not secret
    seeds = [small_archive(kind)[0] for kind in _KINDS]
    outcomes: Counter[str] = Counter()
    findings, slowest, most = [], 0.0, 0
    end = time.monotonic() + options.seconds
    tracemalloc.start()
    while time.monotonic() < end:
        archive = mutant(numbers.choice(seeds), numbers)
        tracemalloc.reset_peak()
        before, started = tracemalloc.get_traced_memory()[0], time.process_time()
        try:
            expand(archive)
            outcomes["expanded"] += 1
        except ArtifactError as error:
            outcomes[error.detail] += 1
        except Exception as error:  # a finding, whatever it is
            findings.append(f"{type(error).__name__}: {archive.hex()}")
        spent = time.process_time() - started
        taken = tracemalloc.get_traced_memory()[1] - before
        slowest, most = max(slowest, spent), max(most, taken)
        if (
            taken > _COPIES * (MOST_GROWTH * len(archive) + SLACK) + _TABLES
            or spent > options.slowest
        ):
            findings.append(f"{spent:.2f} s, {taken} bytes: {archive.hex()}")
    for detail, count in outcomes.most_common():
        say(f"{count:8,}  {detail}")
    say(
        f"{outcomes.total():,} archives, slowest {slowest * 1e3:.0f} ms, most memory {most:,} bytes"
    )
    for finding in findings:
        say(finding)
    sys.exit(bool(findings))


_KINDS = ("grid", "trellis", "codebook")

if __name__ == "__main__":
    main()
