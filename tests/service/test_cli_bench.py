"""The command bench: the table, and the settings that suit the box."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service import cli, cli_common
from service.engine.manifest import MODEL_FILE
from service.settings import Settings
from tests.support.artifacts import write_artifact


@pytest.fixture(autouse=True)
def apart_from_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the command from changing the log here."""
    monkeypatch.setattr(cli_common, "configure_logging", lambda *_: None)


def bench(repository: Path, *arguments: str) -> Result:
    command = ["bench", "--model-repository", str(repository), "--seconds", "0.05", *arguments]
    return CliRunner().invoke(cli.app, command)


def test_the_table_has_a_row_for_each_model(repository: Path, tmp_path: Path) -> None:
    result = bench(repository)
    assert result.exit_code == 0
    host, header, *rows = result.stdout.splitlines()
    assert "CPUs" in host
    assert header.split()[:3] == ["model", "batch", "1"]
    assert [row.split()[0] for row in rows] == ["another", "colours"]
    assert all(float(row.split()[1]) > 0 for row in rows)


def test_a_model_that_fails_says_why(tmp_path: Path) -> None:
    (write_artifact(tmp_path) / MODEL_FILE).write_bytes(b"damaged")
    assert "model.onnx differs" in bench(tmp_path).stdout


def test_figures_can_be_had_as_json(repository: Path) -> None:
    figures = json.loads(bench(repository, "--json", "another").stdout)
    assert figures["another"]["images_per_second"] > 0


def test_the_sweep_writes_settings_that_the_server_takes(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.cli_bench._ROUNDS", 1)
    monkeypatch.setattr("service.cli_bench.worker_threads", lambda: 1)
    target = tmp_path / "featherbox.env"
    result = bench(repository, "--sweep", "--write", str(target), "colours")
    assert result.exit_code == 0, result.stderr
    assert "<- use this" in result.stdout
    text = target.read_text(encoding="utf-8")
    assert result.stdout.endswith(text)
    values = dict(line.split("=") for line in text.splitlines())
    named = {key.removeprefix("FEATHERBOX_").lower(): value for key, value in values.items()}
    assert Settings.model_validate(named).worker_threads == int(named["worker_threads"])
    assert named.keys() <= Settings.model_fields.keys()
