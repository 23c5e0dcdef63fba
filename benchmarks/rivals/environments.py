"""The rivals' environments: a venv each under build/rivals/, from pinned requirements.

They never touch our own environment. One that is complete is used again until its requirements
change.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.server import ROOT

_REQUIREMENTS = Path(__file__).parent / "requirements"
_FOLDER = ROOT / "build" / "rivals"
_INSTALL_WITHIN_S = 900


class NotInstalled(Exception):
    """A rival's environment could not be made; the text says why."""


def environment(name: str) -> Path:
    """Return the folder of a rival's environment, made now if it is not there.

    Raises:
        NotInstalled: pip failed.
    """
    wanted = (_REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8")
    folder = _FOLDER / name
    installed = folder / "installed.txt"
    if installed.is_file() and installed.read_text(encoding="utf-8") == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    _call([sys.executable, "-m", "venv", str(folder)])
    requirements = str(_REQUIREMENTS / f"{name}.txt")
    _call(
        [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--no-deps",
         "--only-binary", ":all:", "--requirement", requirements]
    )  # fmt: skip
    installed.write_text(wanted, encoding="utf-8")
    return folder


def _call(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_INSTALL_WITHIN_S
        )
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"not installed within {_INSTALL_WITHIN_S} s") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise NotInstalled((lines or ["pip failed"])[-1])
