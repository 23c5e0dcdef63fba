"""Audit requirements.lock for known vulnerabilities, after proving that one would be noticed.

    python .ci/audit.py COMMAND...        for example: uv tool run pip-audit@2.10.1

Against a package index without advisory data pip-audit skips every package, prints "No known
vulnerabilities found" and exits 0. So the same command must first report a version that is known
to be vulnerable; if it does not, its silence about the lock proves nothing.

Exits 0 if nothing is known against the lock, 1 if something is, 2 if the lock could not be
audited whole, 3 if the canary was not reported.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parent.parent / "requirements.lock"
CANARY = "pillow==9.0.0"  # PYSEC-2022-168 and dozens more
FLAGS = ("--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json")


def audit(command: list[str], requirements: Path) -> list[dict[str, Any]] | None:
    """Return what the command says of each package; None if it says nothing that can be read."""
    asked = [*command, *FLAGS, "--requirement", str(requirements)]
    try:
        ended = subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603 - no shell, our own words
        found: list[dict[str, Any]] = json.loads(ended.stdout)["dependencies"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found


def main(command: list[str]) -> int:
    """Audit the canary, then the lock; return the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        canary = Path(folder) / "canary.txt"
        canary.write_text(CANARY + "\n", encoding="utf-8")
        known = audit(command, canary) or []
    if not any(package.get("vulns") for package in known):
        say(f"the audit proves nothing: {CANARY} is known to be vulnerable and was not reported")
        return 3
    packages = audit(command, LOCK)
    if not packages:
        say("the lock could not be audited")
        return 2
    bad = [package for package in packages if package.get("vulns")]
    for package in bad:
        names = ", ".join(vuln["id"] for vuln in package["vulns"])
        say(f"{package['name']} {package['version']}: {names}")
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    if skipped:
        say(f"not audited: {', '.join(skipped)}")
    if not bad and not skipped:
        say(f"nothing is known against the {len(packages)} packages; the canary was reported")
    return 1 if bad else 2 if skipped else 0


def say(line: str) -> None:
    """Print a line to standard error."""
    sys.stderr.write(f"audit: {line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
