"""`featherbox-export adopt` publishes a model, or says in one sentence why it cannot."""

import json
from pathlib import Path

import onnx
import pytest
from typer.testing import CliRunner

from export_tools import cli
from tests.export_tools.adopt.support import LABELS, classifier


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    onnx.save(classifier(), tmp_path / "Their Net.onnx")
    (tmp_path / "labels.txt").write_text("\n".join(LABELS))
    return tmp_path / "Their Net.onnx", tmp_path / "labels.txt"


def run(model: Path, labels: Path, *options: str) -> tuple[int, str]:
    to = str(model.parent / "out")
    words = ["adopt", str(model), "--labels", str(labels), "--to", to, *options]
    result = CliRunner().invoke(cli.app, words)
    return result.exit_code, " ".join(result.output.split())


def test_a_model_is_published_with_the_command_that_made_it(files: tuple[Path, Path]) -> None:
    status, output = run(
        *files, "--mean", "0.5", "--std", "0.2,0.25,0.3", "--range", "1", "--unsure"
    )
    assert status == 0, output
    folder = files[0].parent / "out" / "their-net" / "1"
    manifest = json.loads((folder / "manifest.json").read_text())
    command = manifest["provenance"]["command"]
    assert command.startswith("featherbox-export adopt 'Their Net.onnx' --labels labels.txt ")
    assert "--std 0.2,0.25,0.3" in command
    assert command.endswith("--unsure")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--mean", "a"), "--mean takes one number or three"),
        (("--std", "1,2"), "--std takes one number or three"),
        (("--std", "0"), "--std must be above 0"),
        (("--layout", "NHWC"), "give the other --layout"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_writes_nothing(
    files: tuple[Path, Path], options: tuple[str, ...], text: str
) -> None:
    status, output = run(*files, *options)
    assert status == 1
    assert text in output
    assert not (files[0].parent / "out").exists()
