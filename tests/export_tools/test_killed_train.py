"""`train` as a process of its own, killed with SIGKILL: called again it ends in the same model."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import torch
from typer.testing import CliRunner

from export_tools.cli import app
from tests.export_tools.training_support import write_photos
from tests.support.process import ROOT
from tests.support.waiting import wait_until

EPOCHS = 60


def arguments(photos: Path, folder: Path) -> list[str]:
    places = ("--data", photos, "--states", folder / "states", "--to", folder / "models")
    sizes = ("--epochs", EPOCHS, "--batch", 8, "--input-size", 24, "--device", "cpu")
    return [str(word) for word in ("train", "lightweight_cnn", *places, *sizes)]


def made(photos: Path, folder: Path) -> tuple[bytes, bytes]:
    """Run the command to its end; return the graph and its manifest."""
    done = CliRunner().invoke(app, arguments(photos, folder))
    assert done.exit_code == 0, done.output
    version = folder / "models" / "colours" / "1"
    return (version / "model.onnx").read_bytes(), (version / "manifest.json").read_bytes()


def test_a_killed_process_goes_on_to_the_same_model(tmp_path: Path) -> None:
    photos, broken = write_photos(tmp_path / "colours", each=8), tmp_path / "broken"
    state = broken / "states" / "colours" / "training.pt"
    command = [sys.executable, "-m", "export_tools.cli", *arguments(photos, broken)]
    # sums depend on how many threads share them, and the state names their number
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as child:
        wait_until(lambda: state.is_file() or child.poll() is not None, "an epoch is kept", 120)
        child.kill()
    assert child.returncode == -signal.SIGKILL
    assert 1 <= torch.load(state)["epoch"] < EPOCHS
    assert not (broken / "models").exists()
    assert made(photos, broken) == made(photos, tmp_path / "unbroken")
