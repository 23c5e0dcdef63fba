"""The commands that need no server: classify and models."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service import cli, cli_common
from service.engine.manifest import MODEL_FILE
from tests.support.artifacts import write_artifact


@pytest.fixture(autouse=True)
def apart_from_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the command from changing the log here."""
    for module in (cli, cli_common):
        monkeypatch.setattr(module, "configure_logging", lambda *_: None)


def run(*arguments: str, **settings: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments), env=settings)


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
