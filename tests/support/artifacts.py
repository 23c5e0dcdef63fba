"""Real artifacts in a temporary model repository: those that the reliability scorecard uses."""

from benchmarks.reliability.files.artifacts import (
    POLICY,
    RED,
    edit_manifest,
    seal,
    write_artifact,
)

__all__ = ["POLICY", "RED", "edit_manifest", "seal", "write_artifact"]
