"""The rivals are pinned, do our work with our versions, and are started on loopback only."""

from importlib.metadata import version
from pathlib import Path

import pytest

from benchmarks.artifacts import RIVALS_POLICY
from benchmarks.plain import Policy
from benchmarks.rivals.catalogue import RIVALS, Rival
from benchmarks.server import ROOT

REQUIREMENTS = ROOT / "benchmarks/rivals/requirements"
SAME_WORK = ("numpy", "pillow", "onnxruntime")


@pytest.mark.parametrize("file", sorted(REQUIREMENTS.glob("*.txt")), ids=lambda path: path.stem)
def test_requirements_are_pinned_and_the_work_has_our_versions(file: Path) -> None:
    pins = dict(line.split("==") for line in file.read_text(encoding="utf-8").splitlines())
    assert {name: pins[name] for name in SAME_WORK} == {name: version(name) for name in SAME_WORK}


@pytest.mark.parametrize("rival", RIVALS, ids=lambda rival: rival.name)
def test_every_rival_has_requirements_and_a_complete_command(rival: Rival) -> None:
    assert (REQUIREMENTS / f"{rival.environment}.txt").is_file()
    values = {"python": "python", "bin": "bin", "port": "8123", "work": "work"}
    command = rival.command_for(values)
    assert not any("{" in part or "0.0.0.0" in part for part in command)


def test_no_requirements_are_left_over() -> None:
    used = {rival.environment for rival in RIVALS}
    assert {path.stem for path in REQUIREMENTS.glob("*.txt")} == used


def test_the_rivals_and_the_same_work_of_featherbox_share_one_policy() -> None:
    ours, theirs = RIVALS_POLICY, Policy()
    assert (ours.width, ours.height) == (theirs.width, theirs.height)
    assert (ours.resize_shorter, ours.interpolation) == (
        theirs.resize_shorter,
        theirs.interpolation,
    )
