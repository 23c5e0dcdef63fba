"""Finished steps on disk, found again by the hash of all that they depend on.

A step's folder appears under its final name only when it is complete, so a run that was killed
goes on behind its last finished step, and a changed recipe repeats only what the change touches.
The hash covers what the caller names, the exporter's own code and the tools' versions.
"""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from export_tools.draft import tool_versions

Files = dict[str, bytes]
_ROOT = Path(__file__).parent.parent


class StepCache:
    """A folder of finished steps."""

    def __init__(self, folder: Path, identify: Callable[[Any], str] | None = None) -> None:
        """Take the folder, made with the first step, and what turns facts into a hash."""
        self._folder = folder
        self._identify = identify or content_hash

    def files(self, step: str, depends: Any, make: Callable[[], Files]) -> tuple[Files, bool]:
        """Return a step's files, made now or found.

        Args:
            step: its name.
            depends: what it depends on, as JSON can write it.
            make: makes the files by name.

        Returns:
            The files, and whether they were found.
        """
        place = self._folder / f"{step}-{self._identify([step, depends])[:16]}"
        if place.is_dir():
            return {path.name: path.read_bytes() for path in sorted(place.iterdir())}, True
        made = make()
        self._folder.mkdir(parents=True, exist_ok=True)
        staging = self._folder / f".{place.name}.{secrets.token_hex(4)}"
        staging.mkdir()
        try:
            for name, data in made.items():
                (staging / name).write_bytes(data)
            os.replace(staging, place)  # noqa: PTH105  (Path.replace differs for folders)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return made, False


def content_hash(depends: Any) -> str:
    """Hash JSON facts together with the exporter's code and the tools' versions."""
    facts = [depends, _code_hash(), tool_versions(quantized=True)]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@cache
def _code_hash() -> str:
    digest = hashlib.sha256()
    for package in ("export_tools", "models", "service/engine"):
        for path in sorted((_ROOT / package).rglob("*.py")):
            digest.update(path.relative_to(_ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
