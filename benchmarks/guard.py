"""Regression guard: counts of one /classify request beside a stored baseline.

Times wobble with the box, calls and allocations do not. Exits 1 when a count is above the
baseline by more than the tolerance, 2 when the baseline was stored with other versions. After a
change that is meant, store the new counts with --accept.
"""

import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from pydantic import BaseModel

from benchmarks.call_counts import count_calls
from benchmarks.engine import shipped_in
from benchmarks.options import make_small_parser
from benchmarks.photos import make_photos
from benchmarks.results import print_table, say
from service.settings import Settings

BASELINE_FILE = Path(__file__).with_name("baseline.json")
TOLERANCE = 0.05
SLACK = 2  # for counts near zero
_PHOTO_SIZE = (320, 240)
_PACKAGES = ("fastapi", "starlette", "uvicorn", "uvloop", "pydantic", "pillow", "numpy")


class Baseline(BaseModel):
    """Counts, and the versions that they hold for."""

    versions: dict[str, str]
    counts: dict[str, int]


def main() -> None:
    """Count and compare, or store."""
    parser = make_small_parser(__doc__)
    parser.add_argument("--accept", action="store_true", help="store the counts as the baseline")
    options = parser.parse_args()
    counts = measure(options.repository)
    if options.accept:
        baseline = Baseline(versions=current_versions(), counts=counts)
        BASELINE_FILE.write_text(baseline.model_dump_json(indent=2) + "\n", encoding="utf-8")
    baseline = read_baseline()
    print_table(
        [
            {"one request": name, "baseline": baseline.counts.get(name), "now": count}
            for name, count in counts.items()
        ]
    )
    if baseline.versions != current_versions():
        say(f"not comparable: the baseline was stored with {baseline.versions}")
        sys.exit(2)
    found = regressions(counts, baseline.counts)
    for line in found:
        say(f"regression: {line}")
    sys.exit(1 if found else 0)


def measure(repository: Path) -> dict[str, int]:
    """Return the counts of one request to the default model; see `count_calls`."""
    default = shipped_in(repository)[0]
    settings = Settings(model_repository=repository, default_model=default, models=[default])
    return count_calls(settings, make_photos(1, _PHOTO_SIZE)[0])


def read_baseline() -> Baseline:
    """Return the stored baseline."""
    return Baseline.model_validate_json(BASELINE_FILE.read_bytes())


def current_versions() -> dict[str, str]:
    """Return what the counts depend on beside our code."""
    python = ".".join(map(str, sys.version_info[:2]))
    return {"python": python, **{name: version(name) for name in _PACKAGES}}


def regressions(counts: Mapping[str, int], baseline: Mapping[str, int]) -> list[str]:
    """Return a line for each count above the baseline by more than the tolerance."""
    return [
        f"{name}: {count}, the baseline is {baseline.get(name)}"
        for name, count in counts.items()
        if count > baseline.get(name, 0) * (1 + TOLERANCE) + SLACK
    ]


if __name__ == "__main__":
    main()
