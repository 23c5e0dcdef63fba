"""The locks pin what the project says it needs, by hash, and agree with each other."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parent.parent.parent
SERVER_LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
DEV_LOCK = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# First releases without an advisory that a server of images could meet.
FLOORS = {"pillow": "13.0.0", "starlette": "1.3.1", "python-multipart": "0.0.31", "h11": "0.16.0"}
# The same for the exporter, which the server never installs.
EXPORT_FLOORS = {"onnx": "1.21.0"}


def pins(lock: str) -> dict[str, set[str]]:
    """Return the versions that a lock pins, by normalised name (some by Python version)."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9_.-]+)==([^ ;\\\n]+)", lock, re.MULTILINE):
        found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), set()).add(version)
    return found


def test_every_pin_of_the_server_has_hashes() -> None:
    entries = re.split(r"^(?=[A-Za-z0-9])", SERVER_LOCK, flags=re.MULTILINE)[1:]
    assert len(entries) > 20
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_lock_holds_every_dependency_in_its_range() -> None:
    locked = pins(SERVER_LOCK)
    for text in PROJECT["dependencies"]:
        requirement = Requirement(text)
        assert all(requirement.specifier.contains(v) for v in locked[requirement.name]), text


def test_the_security_floors_hold() -> None:
    locked = pins(SERVER_LOCK)
    for name, floor in FLOORS.items():
        assert min(Version(version) for version in locked[name]) >= Version(floor), name


def test_the_project_asks_for_no_less_than_the_floors() -> None:
    asked = {
        requirement.name: requirement.specifier
        for requirement in map(
            Requirement, PROJECT["dependencies"] + PROJECT["optional-dependencies"]["export"]
        )
    }
    for name, floor in (FLOORS | EXPORT_FLOORS).items():
        (bound,) = asked[name]
        assert bound.operator in {">=", "=="}, name
        assert Version(bound.version) >= Version(floor), name


def test_what_only_the_exporter_needs_is_in_no_server() -> None:
    assert pins(SERVER_LOCK).keys().isdisjoint({"onnx", "torch"})
    for name, floor in EXPORT_FLOORS.items():
        assert min(map(Version, pins(DEV_LOCK)[name])) >= Version(floor)


def test_tests_run_on_the_versions_that_are_served() -> None:
    developed = pins(DEV_LOCK)
    for name, versions in pins(SERVER_LOCK).items():
        if name != "colorama":  # Windows only
            assert developed[name] <= versions, name


def test_the_locks_name_no_index() -> None:
    assert "://" not in SERVER_LOCK + DEV_LOCK
