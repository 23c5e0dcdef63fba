"""Rows 28 and 29: what the container may do, and where its parts come from."""

import subprocess
import sys

from benchmarks.reliability.row import Options, Outcome, scratch
from benchmarks.server import ROOT

_CONTAINER = "tests/contracts/test_container.py"
_ROWS = 12
_SUPPLY = {
    "hashes on every pin": "tests/contracts/test_locks.py::test_every_pin_of_the_server_has_hashes",
    "floors": "tests/contracts/test_locks.py::test_the_security_floors_hold",
    "canary of the audit": "tests/contracts/test_audit.py",
}
_SBOM_OF = (
    "-m", "uv", "tool", "run", "--quiet", "--from", "cyclonedx-bom==7.5.0", "cyclonedx-py",
    "requirements", "requirements.lock", "--spec-version", "1.6", "--output-format", "JSON",
)  # fmt: skip
_WITHIN_S = 120


def container(_: Options) -> Outcome:
    """Row 28."""
    good, text = _pytest(_CONTAINER, "-k", "test_the_container", "-v")
    passed = text.count(" PASSED")
    tried = passed + text.count(" FAILED")
    return Outcome(
        f"{passed} of {tried}", f"all, {_ROWS} for each image", good and passed >= _ROWS,
        note=f"{_CONTAINER}, read from the Dockerfiles and docker-compose.yml",
    )  # fmt: skip


def supply_chain(_: Options) -> Outcome:
    """Row 29."""
    found = {name: _pytest(test)[0] for name, test in _SUPPLY.items()}
    found["SBOM"] = _makes_sbom()
    wrong = [name for name, good in found.items() if not good]
    return Outcome(
        f"{len(found) - len(wrong)} of {len(found)}", "4 of 4", not wrong,
        note=f"not: {', '.join(wrong)}" if wrong else ", ".join(found),
    )  # fmt: skip


def _pytest(*arguments: str) -> tuple[bool, str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False,
        timeout=_WITHIN_S,
    )  # fmt: skip
    return done.returncode == 0, done.stdout


def _makes_sbom() -> bool:
    with scratch() as folder:
        try:
            done = subprocess.run(
                [sys.executable, *_SBOM_OF, "--output-file", f"{folder}/sbom.json"],
                cwd=ROOT, capture_output=True, text=True, check=False, timeout=_WITHIN_S,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0
