"""Finds Chromium; as a command, installs Debian's where it is missing and that is allowed."""

import os
import shutil
import subprocess
import sys

_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_MISSING = (
    "The tests of the page need Chromium: install it (Debian: apt-get install chromium), "
    "or name it in the variable CHROMIUM."
)


def find_chromium() -> str | None:
    """Return the path of a Chromium, or None."""
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, _NAMES)), None)


def require_chromium() -> str:
    """Return the path of a Chromium, or end with a sentence on how to get one."""
    return find_chromium() or sys.exit(_MISSING)


def main() -> None:
    """Install Chromium by apt-get if there is none and we are root; else say what is missing."""
    if find_chromium() is None and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in ("update -q", "install -q -y --no-install-recommends chromium"):
            subprocess.run(["apt-get", *words.split()], check=False, env=quiet)
    require_chromium()


if __name__ == "__main__":
    main()
