"""The state of a training run on disk, so that a killed run goes on as if it had not been.

Written to a file beside and renamed, so the file is always a whole one. It holds all that the next
epoch depends on: weights, the optimiser's moments, and the generators' states.
"""

import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from export_tools.errors import DataError


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A folder for the phases of a run, and in one line what tells the run from others."""

    folder: Path
    run: str

    def phase(self, name: str, settings: str) -> "CheckpointFile":
        """Return the file of a phase that has settings of its own."""
        return CheckpointFile(self.folder / f"{name}.pt", f"{self.run}; {settings}")


class CheckpointFile:
    """One run's file; `run` says in one line which run it is of, so that no other goes on."""

    def __init__(self, path: Path, run: str) -> None:
        self._path = path
        self._run = run

    def save(self, epoch: int, net: nn.Module, learner: torch.optim.Optimizer) -> None:
        """Write the state after an epoch; a kill leaves the old file or the new one."""
        state = {
            "run": self._run,
            "epoch": epoch,
            "net": net.state_dict(),
            "learner": learner.state_dict(),
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_suffix(".new")
        with beside.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)

    def restore(self, net: nn.Module, learner: torch.optim.Optimizer) -> int:
        """Take up the state and return how many epochs are done; 0 where there is no file.

        Raises:
            DataError: the file is damaged, or of a run with other settings or images.
        """
        if not self._path.is_file():
            return 0
        state = self._read()
        if state.get("run") != self._run:
            raise DataError(
                f"{self._path} is of a run with other settings or images: "
                "repeat those, name another folder, or remove it to begin anew."
            )
        net.load_state_dict(state["net"])
        learner.load_state_dict(state["learner"])
        torch.set_rng_state(state["random"].cpu())
        if state["random_cuda"] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all([random.cpu() for random in state["random_cuda"]])
        return int(state["epoch"])

    def _read(self) -> dict[str, Any]:
        try:
            state = torch.load(self._path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, pickle.UnpicklingError, EOFError) as error:
            raise DataError(f"{self._path} cannot be read: remove it to begin anew.") from error
        return state if isinstance(state, dict) else {}
