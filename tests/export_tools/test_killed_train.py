"""`train` as a process, killed with SIGKILL: called again it ends in the same weights."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import torch
from typer.testing import CliRunner

from export_tools.cli import app
from export_tools.training.class_folders import Photos, find_photos
from export_tools.training.jobs import learner
from export_tools.training.loop import Normalised, Schedule, train
from export_tools.training.start import Wanted, fresh
from tests.export_tools.training_support import write_photos
from tests.support.process import ROOT
from tests.support.waiting import wait_until

NET, EPOCHS, BATCH, RATE, SIDE = "lightweight_cnn", 60, 8, 0.01, 24


def unbroken(folder: Path) -> Normalised:
    """Train the net that the command trains, at one go."""
    photos = find_photos(folder, 0)
    trained = fresh(Wanted(architecture=NET, labels=photos.labels, input_size=SIDE))
    net = learner(trained)
    images = Photos(photos.training, trained.input, 0)
    train(net, images, Schedule(epochs=EPOCHS, batch=BATCH, rate=RATE))
    return net


def test_a_killed_process_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    photos, models = write_photos(tmp_path / "colours", each=8), tmp_path / "models"
    places = ("--data", photos, "--states", tmp_path / "states", "--to", models)
    wishes = ("--epochs", EPOCHS, "--batch", BATCH, "--rate", RATE, "--input-size", SIDE)
    arguments = [str(word) for word in ("train", NET, *places, *wishes, "--device", "cpu")]
    state = tmp_path / "states" / "colours" / "training.pt"
    # sums depend on how many threads share them, and the state names their number
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    command = [sys.executable, "-m", "export_tools.cli", *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as child:
        wait_until(lambda: state.is_file() or child.poll() is not None, "an epoch is kept", 120)
        child.kill()
    assert child.returncode == -signal.SIGKILL
    assert 1 <= torch.load(state)["epoch"] < EPOCHS
    assert not models.exists()
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert (models / "colours" / "1" / "model.onnx").is_file()
    wanted, found = unbroken(photos).state_dict(), torch.load(state)
    assert found["epoch"] == EPOCHS
    assert wanted.keys() == found["net"].keys()
    assert all(torch.equal(value, found["net"][key]) for key, value in wanted.items())
