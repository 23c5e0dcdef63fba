"""Epochs, and that a killed run ends in the same weights as an unbroken one."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from export_tools.errors import DataError
from export_tools.training.checkpoint import CheckpointFile, RunFolder
from export_tools.training.images import batches
from export_tools.training.loop import (
    Normalised,
    Progress,
    Schedule,
    answers,
    right_share,
    train,
)
from export_tools.weights.source import HALF, Normalisation
from tests.export_tools.training_support import Squares
from tests.support.process import ROOT

SCHEDULE = Schedule(epochs=4, batch=8, rate=0.02)


def small_net() -> Normalised:
    torch.manual_seed(1)
    layers = (nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2))
    net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * 49, 2))
    return Normalised(net, Normalisation(HALF, HALF))


def test_a_net_learns_and_tells_how_far_it_is() -> None:
    net, images, told = small_net(), Squares(), list[Progress]()
    train(net, images, SCHEDULE, tell=told.append)
    assert images.labels is not None
    assert right_share(answers(net, images), images.labels) == 1.0
    assert [told[0].step, told[-1].step, told[-1].steps] == [1, 12, 12]
    assert told[-1].epoch == 4
    assert told[-1].loss < told[0].loss
    assert told[-1].accuracy is not None
    assert told[-1].accuracy > 0.8


def test_every_image_is_in_each_epoch_once_in_another_order() -> None:
    first, again, second = (
        [index for batch in batches(10, 3, 5, epoch) for index in batch] for epoch in (0, 0, 1)
    )
    assert first == again != second
    # The tenth image would be alone, and batch norm has no statistics of one.
    assert len(first) == 9
    assert len(set(first)) == 9


def test_the_rate_rises_and_falls() -> None:
    rates = [SCHEDULE.rate_at(step, 100) for step in range(100)]
    assert max(rates) == SCHEDULE.rate
    assert rates.index(max(rates)) < 20
    assert rates[-1] < 0.01 * SCHEDULE.rate


def test_labels_are_needed_where_nobody_teaches() -> None:
    with pytest.raises(DataError, match="distil"):
        train(small_net(), Squares(labelled=False), SCHEDULE)


def test_a_checkpoint_is_of_one_run_only(tmp_path: Path) -> None:
    net, images = small_net(), Squares()
    folder = RunFolder(tmp_path, "run a")
    train(net, images, Schedule(epochs=1, batch=8), kept=folder.phase("p", "x"))
    with pytest.raises(DataError, match="other settings"):
        train(net, images, SCHEDULE, kept=RunFolder(tmp_path, "run b").phase("p", "x"))
    (tmp_path / "p.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(DataError, match="cannot be read"):
        train(net, images, SCHEDULE, kept=folder.phase("p", "x"))


_KILLED_RUN = """
import os, signal, sys
from pathlib import Path
import torch
from export_tools.training.checkpoint import CheckpointFile
from export_tools.training.loop import train
from tests.export_tools.test_training_loop import SCHEDULE, small_net
from tests.export_tools.training_support import Squares

def tell(progress):
    if progress.step == 8:  # in the third of four epochs
        os.kill(os.getpid(), signal.SIGKILL)

torch.set_num_threads(int(sys.argv[2]))
kept = CheckpointFile(Path(sys.argv[1]), "a run")
train(small_net(), Squares(), SCHEDULE, kept=kept, tell=tell)
"""


def test_a_killed_run_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    file = tmp_path / "state.pt"
    threads = str(torch.get_num_threads())  # sums depend on how many share them
    command = [sys.executable, "-c", _KILLED_RUN, str(file), threads]
    done = subprocess.run(command, cwd=ROOT, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    broken, unbroken = small_net(), small_net()
    steps: list[int] = []
    kept = CheckpointFile(file, "a run")
    train(broken, Squares(), SCHEDULE, kept=kept, tell=lambda p: steps.append(p.step))
    assert steps == [7, 8, 9, 10, 11, 12]  # two epochs of three steps were done
    train(unbroken, Squares(), SCHEDULE)
    for key, value in unbroken.state_dict().items():
        assert torch.equal(value, broken.state_dict()[key]), key
