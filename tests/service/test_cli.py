"""The commands that need no server: classify and models."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service import cli
from service.engine.manifest import MODEL_FILE
from tests.support.artifacts import write_artifact
from tests.support.images import photo


@pytest.fixture(autouse=True)
def apart_from_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the command from changing the log here."""
    monkeypatch.setattr(cli, "configure_logging", lambda *_: None)


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


def test_a_folder_is_no_photo(repository: Path, tmp_path: Path) -> None:
    result = classify(repository, str(tmp_path))
    assert (result.exit_code, result.stderr) == (1, f"{tmp_path}: Is a directory\n")


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


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"FEATHERBOX_PROVIDERS": "AbacusExecutionProvider"}, "allow_provider_fallback"),
        ({"FEATHERBOX_REQUIRED_MODELS": "colours,gone"}, "'gone'"),
        ({"FEATHERBOX_MODELS": "colours:7"}, "'colours:7'"),
        ({"FEATHERBOX_MODELS": "another"}, "'colours'"),
        ({"FEATHERBOX_MODEL_REPOSITORY": "/nowhere"}, "FEATHERBOX_MODEL_REPOSITORY"),
        ({"FEATHERBOX_PORT": "eighty"}, "port"),
    ],
    ids=str,
)
def test_a_setting_that_cannot_be_met_ends_the_start_with_a_clear_message(
    repository: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], named: str
) -> None:
    monkeypatch.setattr("uvicorn.Server.run", lambda *_: pytest.fail("it started"))
    given = {
        "FEATHERBOX_MODEL_REPOSITORY": str(repository),
        "FEATHERBOX_DEFAULT_MODEL": "colours",
        **settings,
    }
    ended = run("serve", **given)
    assert ended.exit_code == 2
    assert ended.stderr.startswith("featherbox: ")
    assert named in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_the_table_has_a_row_for_each_model(tmp_path: Path) -> None:
    write_artifact(tmp_path, "colours", 3, precision="int8")
    (write_artifact(tmp_path, "broken") / MODEL_FILE).write_bytes(b"damaged")
    result = run("models", "--model-repository", str(tmp_path))
    assert result.exit_code == 0
    header, broken, colours = result.stdout.splitlines()
    assert header.split()[:4] == ["model", "version", "state", "precision"]
    assert broken.split()[:3] == ["broken", "1", "failed"]
    assert "model.onnx differs" in broken
    assert colours.split()[:4] == ["colours", "3", "ready", "int8"]
    assert "0.970" in colours


def test_without_a_command_the_help_is_shown() -> None:
    result = run()
    for command in ("serve", "classify", "models"):
        assert command in result.output
