"""The audit: it fails where its own tool is blind, and reports what the tool finds.

The tool is a program that answers as pip-audit does, with what a test gives it.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.process import ROOT

Package = dict[str, Any]
KNOWN: Package = {"name": "pillow", "version": "9.0.0", "vulns": [{"id": "PYSEC-2022-168"}]}
CLEAN: Package = {"name": "h11", "version": "0.16.0", "vulns": []}
SKIPPED: Package = {"name": "h11", "skip_reason": "Dependency not found on PyPI"}

TOOL = """
import json, sys
answers = json.loads(sys.argv[1])
text = answers["canary" if sys.argv[-1].endswith("canary.txt") else "lock"]
assert "--requirement" in sys.argv
sys.stdout.write(text if isinstance(text, str) else json.dumps({"dependencies": text}))
sys.exit(0)  # as pip-audit does when it skipped everything
"""


def run_audit(canary: list[Package] | str, lock: list[Package] | str) -> tuple[int, str]:
    answers = json.dumps({"canary": canary, "lock": lock})
    ended = subprocess.run(
        [sys.executable, ROOT / ".ci" / "audit.py", sys.executable, "-c", TOOL, answers],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.stdout == ""
    return ended.returncode, ended.stderr


@pytest.mark.parametrize(
    "canary",
    [[{**SKIPPED, "name": "pillow"}], [{**KNOWN, "vulns": []}], [], "", "no JSON", "[]", "null"],
)
def test_a_tool_that_misses_the_canary_proves_nothing(canary: list[Package] | str) -> None:
    status, said = run_audit(canary, [CLEAN])
    assert status == 3
    assert "proves nothing" in said


def test_a_clean_lock_is_a_success_once_the_canary_was_reported() -> None:
    status, said = run_audit([KNOWN], [CLEAN])
    assert (status, "canary was reported" in said) == (0, True)


def test_a_known_vulnerability_is_named() -> None:
    status, said = run_audit([KNOWN], [CLEAN, {**KNOWN, "version": "13.0.0"}])
    assert status == 1
    assert "pillow 13.0.0: PYSEC-2022-168" in said


def test_a_package_that_was_skipped_is_no_success() -> None:
    status, said = run_audit([KNOWN], [KNOWN | {"vulns": []}, SKIPPED])
    assert (status, "not audited: h11" in said) == (2, True)


@pytest.mark.parametrize("lock", ["", [], "Traceback"])
def test_a_lock_that_could_not_be_read_is_no_success(lock: list[Package] | str) -> None:
    assert run_audit([KNOWN], lock)[0] == 2


def test_a_tool_that_does_not_start_is_no_success() -> None:
    missing = str(Path("no") / "such" / "tool")
    ended = subprocess.run(
        [sys.executable, ROOT / ".ci" / "audit.py", missing],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 3
