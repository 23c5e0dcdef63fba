"""The commands that train, as somebody types them."""

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from export_tools.cli import app
from export_tools.cli_progress import Epochs
from export_tools.cli_train import model_name, typed_command
from export_tools.sample_photos import CLASSES, write_sample
from export_tools.training.class_folders import find_photos
from export_tools.training.loop import Progress
from tests.export_tools.training_support import write_photos


def call(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_train_prune_and_their_figures(tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "My Colours", each=8)
    places = ("--data", photos, "--states", tmp_path / "states", "--to", tmp_path / "models")
    quick = ("--epochs", 12, "--batch", 8, "--rate", 0.05, "--device", "cpu")
    said = call("train", "lightweight_cnn", *places, *quick, "--input-size", 24)
    assert "my-colours: reading the photos" in said
    assert "training: 24/24, epoch 12, loss" in said
    assert "1.000 (4/4)" in said
    assert (tmp_path / "models" / "my-colours" / "1" / "labels.txt").read_text() == "blue\nred\n"
    said = call("prune", "my-colours", *places, *quick, "--macs", 0.7)
    assert (tmp_path / "models" / "my-colours-pruned" / "1" / "model.onnx").is_file()
    assert "before" in said
    assert "after" in said


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("finetune", "--data", "nowhere"), "no folder"),
        (("prune", "nothing", "--data", "nowhere"), "no trained net"),
        (("distil", "squeezenet1_1", "--teacher", "nobody", "--data", "x"), "no model nobody"),
        (("train", "lightweight_cnn", "--data", "x", "--device", "cuda"), "no CUDA"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(
    arguments: tuple[str, ...], fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 1
    assert fault in done.output


def test_the_manifest_has_the_command_without_this_machines_places(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ["/a/b/featherbox-export", "finetune", "--data", "/home/me/my parts"]
    monkeypatch.setattr(sys, "argv", words)
    assert typed_command() == "featherbox-export finetune --data 'my parts'"
    assert model_name(Path("/x/My Parts")) == "my-parts"


def test_a_terminal_shows_bars_with_loss_accuracy_and_time() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120)
    with Epochs(console) as bars:
        tell = bars.phase("training")
        tell(Progress(1, 1, 2, 0.7, 0.1))
        tell(Progress(2, 2, 2, 0.5, 0.25))
    assert "epoch 2, loss 0.500, accuracy 25.0%" in out.getvalue()
    assert "training" in out.getvalue()


def test_sample_photos_are_a_folder_to_train_on(tmp_path: Path) -> None:
    assert write_sample(tmp_path, each=4) == 5 * len(CLASSES)
    found = find_photos(tmp_path)
    assert found.labels == tuple(sorted(CLASSES))
    assert [len(found.training), len(found.test)] == [4 * len(CLASSES), len(CLASSES)]
