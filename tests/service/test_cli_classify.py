"""The command classify: files, folders, a watched folder; in this process and on a server."""

import csv
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service import cli, cli_common
from service.engine.manifest import MODEL_FILE
from tests.support.artifacts import write_artifact
from tests.support.images import photo
from tests.support.process import ROOT, environment
from tests.support.server import LiveServer


@pytest.fixture(autouse=True)
def apart_from_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the command from changing the log here."""
    monkeypatch.setattr(cli_common, "configure_logging", lambda *_: None)


@pytest.fixture
def photos(tmp_path: Path) -> dict[str, str]:
    """Return the paths of a red and a blue photo, of a text and of nothing."""
    (tmp_path / "red.jpg").write_bytes(photo("red", "JPEG"))
    (tmp_path / "blue.webp").write_bytes(photo("blue", "WEBP"))
    (tmp_path / "notes.txt").write_text("hello")
    names = ("red.jpg", "blue.webp", "notes.txt", "missing.jpg")
    return {name: str(tmp_path / name) for name in names}


def run(*arguments: str, **settings: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments), env=settings)


def classify(repository: Path, *arguments: str, model: str = "colours") -> Result:
    return run("classify", "--model-repository", str(repository), "--model", model, *arguments)


def test_photos_are_classified_without_a_server(repository: Path, photos: dict[str, str]) -> None:
    result = classify(repository, "--top-k", "1", photos["red.jpg"], photos["blue.webp"])
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert [line[-1] for line in lines] == [photos["red.jpg"], "red", photos["blue.webp"], "blue"]
    assert re.fullmatch(r"9\d\.\d%", lines[1][0])


def test_json_is_one_object_a_photo(repository: Path, photos: dict[str, str]) -> None:
    result = classify(repository, "--json", "--top-k", "2", photos["red.jpg"], photos["blue.webp"])
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer["file"] for answer in answers] == [photos["red.jpg"], photos["blue.webp"]]
    assert [answer["predictions"][0]["label"] for answer in answers] == ["red", "blue"]
    assert [len(answer["predictions"]) for answer in answers] == [2, 2]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [("notes.txt", "no image of an accepted format"), ("missing.jpg", "No such file")],
)
def test_a_photo_without_an_answer_is_told_and_the_others_are_answered(
    repository: Path, photos: dict[str, str], bad: str, reason: str
) -> None:
    result = classify(repository, photos[bad], photos["red.jpg"])
    assert result.exit_code == 1
    assert "red" in result.stdout
    assert result.stderr.startswith(f"{photos[bad]}: ")
    assert reason in result.stderr


def test_a_version_can_be_asked_for(repository: Path, photos: dict[str, str]) -> None:
    assert classify(repository, photos["red.jpg"], model="colours:1").exit_code == 0


def test_an_unknown_model_names_those_that_are_there(
    repository: Path, photos: dict[str, str]
) -> None:
    result = classify(repository, photos["red.jpg"], model="missing")
    assert result.exit_code == 2
    assert "has another, colours" in result.stderr


def test_a_model_that_cannot_be_loaded_says_why(tmp_path: Path, photos: dict[str, str]) -> None:
    (write_artifact(tmp_path / "models") / MODEL_FILE).write_bytes(b"damaged")
    result = classify(tmp_path / "models", photos["red.jpg"])
    assert result.exit_code == 2
    assert "model.onnx differs" in result.stderr


@pytest.mark.parametrize("top_k", ["0", "-1", "many"])
def test_a_wrong_top_k_is_refused(repository: Path, photos: dict[str, str], top_k: str) -> None:
    result = classify(repository, "--top-k", top_k, photos["red.jpg"])
    assert result.exit_code == 2
    assert "--top-k" in result.stderr


def test_the_default_model_is_a_setting(repository: Path, photos: dict[str, str]) -> None:
    for model, status in (("another", 0), ("missing", 2)):
        result = run(
            "classify",
            photos["red.jpg"],
            FEATHERBOX_MODEL_REPOSITORY=str(repository),
            FEATHERBOX_DEFAULT_MODEL=model,
        )
        assert result.exit_code == status


def test_a_folder_means_the_photos_in_it(repository: Path, tmp_path: Path) -> None:
    for name in ("b/blue.png", "a/red.png", ".hidden/red.png", "a/notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(photo(path.stem) if path.suffix == ".png" else b"hello")
    result = classify(repository, "--top-k", "1", "--json", str(tmp_path))
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert [(Path(a["file"]).name, a["predictions"][0]["label"]) for a in answers] == [
        ("red.png", "red"),
        ("blue.png", "blue"),
    ]


def test_a_folder_without_photos_is_told(repository: Path, tmp_path: Path) -> None:
    result = classify(repository, str(tmp_path))
    assert result.exit_code == 2
    assert "no photos" in result.stderr


def test_csv_has_a_row_a_label(repository: Path, photos: dict[str, str]) -> None:
    result = classify(
        repository, "--format", "csv", "--top-k", "2", photos["red.jpg"], photos["blue.webp"]
    )
    rows = list(csv.DictReader(result.stdout.splitlines()))
    assert [(Path(r["file"]).name, r["rank"]) for r in rows] == [
        ("red.jpg", "1"), ("red.jpg", "2"), ("blue.webp", "1"), ("blue.webp", "2"),
    ]  # fmt: skip
    assert [r["label"] for r in rows[::2]] == ["red", "blue"]
    assert all(0.9 < float(r["probability"]) <= 1 for r in rows[::2])


def test_many_photos_are_answered_in_their_order(repository: Path, tmp_path: Path) -> None:
    colours = ["red", "green", "blue"] * 8
    for number, colour in enumerate(colours):
        (tmp_path / f"{number:02}.png").write_bytes(photo(colour))
    result = classify(repository, "--json", "--jobs", "3", "--top-k", "1", str(tmp_path))
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer["predictions"][0]["label"] for answer in answers] == colours


def test_a_server_can_be_asked_instead(server: LiveServer, photos: dict[str, str]) -> None:
    asked = ("classify", "--url", server.url, "--top-k", "1", "--json")
    result = run(*asked, "--model", "another", photos["red.jpg"], photos["notes.txt"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["predictions"][0]["label"] == "red"
    assert result.stderr.startswith(f"{photos['notes.txt']}: ")
    assert "no image of an accepted format" in result.stderr


def test_a_server_that_is_not_there_ends_the_command(photos: dict[str, str]) -> None:
    result = run("classify", "--url", "http://127.0.0.1:9", photos["red.jpg"])
    assert result.exit_code == 2
    assert "No answer from http://127.0.0.1:9" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "name photos or folders"),
        (("--watch", "/nowhere"), "/nowhere: no such folder"),
        (("--url", "http://127.0.0.1:9", "--token-file", "/nowhere", "x.jpg"), "/nowhere: No such"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_said(
    repository: Path, arguments: tuple[str, ...], reason: str
) -> None:
    result = classify(repository, *arguments)
    assert result.exit_code == 2
    assert f"featherbox: {reason}" in result.stderr


def test_a_watched_folder_is_followed_until_the_signal(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "before.png").write_bytes(photo("green"))
    command = [sys.executable, "-m", "service.cli", "classify", "--model", "colours", "--top-k=1"]
    command += ["--json", "--model-repository", str(repository), "--watch", str(tmp_path)]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout
        assert process.stderr
        assert process.stderr.readline().startswith("watching")
        for colour in ("red", "blue"):
            (tmp_path / f"{colour}.png").write_bytes(photo(colour))
            answer = json.loads(process.stdout.readline())
            assert answer["predictions"][0]["label"] == colour
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
        assert process.stdout.read() == ""
