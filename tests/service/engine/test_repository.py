"""A folder of models: which are found, which version serves, and how one may fail alone."""

import logging
from pathlib import Path

import pytest

from benchmarks.reliability.files import graphs
from service.engine.host import Host
from service.engine.manifest import MODEL_FILE, SelfTest
from service.engine.repository import ModelRepository, ModelState
from service.engine.session import SessionOptions
from service.errors import ArtifactError, ModelFailed, ModelNotFound, NotReady
from tests.support.artifacts import edit_manifest, write_artifact

HOST = Host("a cpu", "x86_64", ("avx512_vnni",), 2.0, "1.0")


def repository(
    folder: Path, wanted: list[str] | None = None, options: SessionOptions | None = None
) -> ModelRepository:
    return ModelRepository(folder, options or SessionOptions(), HOST, wanted=wanted)


def loaded(folder: Path, wanted: list[str] | None = None) -> ModelRepository:
    models = repository(folder, wanted)
    models.load_all()
    return models


def served(models: ModelRepository) -> dict[str, int]:
    return {model.name: model.version for model in models.models}


def test_all_models_are_found_by_name(tmp_path: Path) -> None:
    write_artifact(tmp_path, "colours")
    write_artifact(tmp_path, "another")
    assert served(repository(tmp_path)) == {"another": 1, "colours": 1}


def test_the_highest_version_serves(tmp_path: Path) -> None:
    for version in (1, 2, 10):
        write_artifact(tmp_path, version=version)
    assert served(repository(tmp_path)) == {"colours": 10}


def test_a_pinned_version_serves(tmp_path: Path) -> None:
    for version in (1, 2):
        write_artifact(tmp_path, version=version)
    models = loaded(tmp_path, ["colours:1"])
    assert models.find("colours").require().manifest.version == 1


def test_only_the_models_that_are_wanted_are_served(tmp_path: Path) -> None:
    for name in ("colours", "another"):
        write_artifact(tmp_path, name)
    assert served(repository(tmp_path, ["colours"])) == {"colours": 1}


@pytest.mark.parametrize("wanted", ["missing", "colours:2", "colours:", "colours:01", "", ".."])
def test_a_wanted_model_that_is_not_there_names_those_that_are(tmp_path: Path, wanted: str) -> None:
    write_artifact(tmp_path)
    with pytest.raises(ArtifactError, match="which has colours"):
        repository(tmp_path, [wanted])


def test_what_is_no_model_folder_is_passed_over(tmp_path: Path) -> None:
    write_artifact(tmp_path)
    (tmp_path / "README.md").write_text("a file")
    (tmp_path / "empty").mkdir()
    for name in ("latest", "0", "01", "-1", "²", "1.5"):
        (tmp_path / "odd" / name).mkdir(parents=True)
    (tmp_path / ".hidden" / "1").mkdir(parents=True)
    (tmp_path / "colours" / "7").write_text("no folder")
    assert served(repository(tmp_path)) == {"colours": 1}


def test_a_repository_that_cannot_be_read_says_which_setting_to_mend(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="FEATHERBOX_MODEL_REPOSITORY"):
        repository(tmp_path / "missing")


def test_an_empty_repository_has_no_models(tmp_path: Path) -> None:
    models = repository(tmp_path)
    assert models.models == []
    with pytest.raises(ArtifactError, match="no models"):
        models.require_known("colours")


def test_a_model_is_found_by_name_and_by_its_version(tmp_path: Path) -> None:
    write_artifact(tmp_path, version=3)
    models = repository(tmp_path)
    assert models.find("colours") is models.find("colours:3")


@pytest.mark.parametrize(
    "reference",
    [
        "missing", "colours:2", "colours:03", "colours:", ":3", "", " ", "colours ", " ..",
        "..", "../colours", "colours/3", "/etc/passwd", "a/../b", "colours\x00", "%2e%2e",
        "x" * 10_000,
    ],
)  # fmt: skip
def test_any_other_name_is_not_found(tmp_path: Path, reference: str) -> None:
    write_artifact(tmp_path, version=3)
    with pytest.raises(ModelNotFound) as caught:
        repository(tmp_path).find(reference)
    assert len(caught.value.detail) < 200


def test_a_model_is_loading_until_it_is_ready(tmp_path: Path) -> None:
    write_artifact(tmp_path)
    models = repository(tmp_path)
    with pytest.raises(NotReady):
        models.find("colours").require()
    models.load_all()
    model = models.find("colours")
    assert model.state is ModelState.READY
    assert model.require().labels == graphs.LABELS
    assert (model.reason, model.warnings) == (None, [])


def test_what_loading_cost_is_kept(tmp_path: Path) -> None:
    write_artifact(tmp_path)
    model = loaded(tmp_path).find("colours")
    assert model.load_ms is not None
    assert model.warmup_ms is not None
    assert model.memory_bytes is not None
    assert 0 < model.warmup_ms < model.load_ms
    assert model.memory_bytes >= 0


def write_broken(folder: Path, how: str) -> None:
    """Write a model `broken` that cannot serve."""
    match how:
        case "damaged":
            (write_artifact(folder, "broken") / MODEL_FILE).write_bytes(b"damaged")
        case "external data":
            write_artifact(folder, "broken", graph=graphs.with_external_data())
        case "of another name":
            edit_manifest(write_artifact(folder, "broken"), name="other")
        case "of another version":
            edit_manifest(write_artifact(folder, "broken"), version=2)
        case "wrong at its self-test":
            promise = SelfTest(index=1, label="green", probability=0.9, tolerance=0.1)
            write_artifact(folder, "broken", selftest=promise)
        case "failing when run":
            write_artifact(folder, "broken", graph=graphs.failing_when_run())
        case "lying about its classes":
            write_artifact(folder, "broken", graph=graphs.with_undeclared_classes())


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("damaged", "model.onnx differs"),
        ("external data", "external data"),
        ("of another name", "names other:1, the folder is broken:1"),
        ("of another version", "names broken:2, the folder is broken:1"),
        ("wrong at its self-test", "Expected 'green'"),
        ("failing when run", "failed while it was run"),
        ("lying about its classes", "unknown way"),
    ],
)
def test_a_model_that_fails_keeps_its_reason_and_the_others_serve(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str, reason: str
) -> None:
    write_broken(tmp_path, how)
    write_artifact(tmp_path, "colours")  # after the broken one, by name
    models = loaded(tmp_path)
    broken = models.find("broken")
    assert broken.state is ModelState.FAILED
    assert reason in (broken.reason or "")
    with pytest.raises(ModelFailed, match="'broken' has failed"):
        broken.require()
    assert models.find("colours").state is ModelState.READY
    assert any("broken" in r.message for r in caplog.records if r.levelno >= logging.ERROR)


def test_another_provider_than_was_asked_for_is_a_visible_warning(tmp_path: Path) -> None:
    write_artifact(tmp_path)
    options = SessionOptions(("AbacusExecutionProvider",), allow_provider_fallback=True)
    models = repository(tmp_path, options=options)
    models.load_all()
    (warning,) = models.find("colours").warnings
    assert warning == "AbacusExecutionProvider was asked for, CPUExecutionProvider is in use."
