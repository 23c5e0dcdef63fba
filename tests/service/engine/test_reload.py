"""What changes in the model repository is taken over; what is bad is refused, the old serves on."""

import gc
import shutil
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.reliability.files import graphs
from service.engine.decode import DecodeLimits
from service.engine.host import Host
from service.engine.manifest import MANIFEST_FILE, MODEL_FILE, SelfTest
from service.engine.repository import ModelRepository, ModelState
from service.engine.session import SessionOptions
from service.errors import ModelNotFound
from tests.support.artifacts import edit_manifest, write_artifact
from tests.support.images import photo

HOST = Host("a cpu", "x86_64", ("avx512_vnni",), 2.0, "1.0")
WRONG = SelfTest(index=1, label="green", probability=0.9, tolerance=0.1)


def loaded(folder: Path, wanted: list[str] | None = None) -> ModelRepository:
    models = ModelRepository(folder, SessionOptions(), HOST, wanted=wanted)
    models.load_all()
    return models


def serving(models: ModelRepository) -> dict[str, int]:
    return {model.name: model.version for model in models.models if model.state is ModelState.READY}


def refused(models: ModelRepository, name: str = "colours") -> dict[int, str]:
    return {one.version: one.reason for one in models.find(name).refused}


@pytest.fixture
def models(tmp_path: Path) -> Iterator[ModelRepository]:
    """Return a repository that serves version 1 of `colours`."""
    write_artifact(tmp_path, "colours", 1)
    yield loaded(tmp_path)


def test_a_new_version_and_a_new_model_are_taken_over(
    models: ModelRepository, tmp_path: Path
) -> None:
    write_artifact(tmp_path, "colours", 2)
    write_artifact(tmp_path, "another", 1)
    assert models.reload(retry=False)
    assert serving(models) == {"another": 1, "colours": 2}
    with pytest.raises(ModelNotFound, match="the version served is 2"):
        models.find("colours:1")


def test_nothing_new_changes_nothing(models: ModelRepository, tmp_path: Path) -> None:
    before = models.find("colours")
    (tmp_path / "colours" / "1" / "measured.json").write_text("{}")
    for retry in (False, True):
        assert not models.reload(retry=retry)
    assert models.find("colours") is before


def test_whoever_holds_the_old_version_finishes_with_it(
    models: ModelRepository, tmp_path: Path
) -> None:
    old = models.find("colours").require()
    write_artifact(tmp_path, "colours", 2)
    models.reload(retry=False)
    shutil.rmtree(tmp_path / "colours" / "1")
    models.reload(retry=False)
    assert old.classify(photo("blue"), 1, DecodeLimits()).predictions[0].label == "blue"


def test_an_old_version_is_let_go_of_at_once(models: ModelRepository, tmp_path: Path) -> None:
    kept = [weakref.ref(models.find("colours").require().session)]
    gc.disable()
    try:
        write_artifact(tmp_path, "colours", 2)
        models.reload(retry=False)
        assert kept[0]() is None
        kept.append(weakref.ref(models.find("colours").require().session))
        shutil.rmtree(tmp_path / "colours")
        models.reload(retry=False)
        assert kept[1]() is None
    finally:
        gc.enable()


def test_a_bad_version_is_refused_with_its_reason_and_the_old_one_serves(
    models: ModelRepository, tmp_path: Path
) -> None:
    before = models.find("colours")
    write_artifact(tmp_path, "colours", 2, selftest=WRONG)
    write_artifact(tmp_path, "colours", 3, graph=graphs.with_external_data())
    assert not models.reload(retry=False)
    assert models.find("colours") is before
    assert list(refused(models)) == [3, 2]
    assert "external data" in refused(models)[3]
    assert "Expected 'green'" in refused(models)[2]


def test_a_new_model_that_is_bad_is_listed_as_failed(
    models: ModelRepository, tmp_path: Path
) -> None:
    write_artifact(tmp_path, "another", 1, selftest=WRONG)
    models.reload(retry=False)
    assert serving(models) == {"colours": 1}
    assert models.find("another").state is ModelState.FAILED
    assert "Expected 'green'" in (models.find("another").reason or "")


def test_a_half_copied_version_serves_once_it_is_whole(
    models: ModelRepository, tmp_path: Path
) -> None:
    whole = write_artifact(tmp_path / "elsewhere", "colours", 2)
    folder = tmp_path / "colours" / "2"
    folder.mkdir()
    models.reload(retry=False)
    assert "manifest.json" in refused(models)[2]
    shutil.copy(whole / MANIFEST_FILE, folder)
    (folder / MODEL_FILE).write_bytes((whole / MODEL_FILE).read_bytes()[:100])
    models.reload(retry=False)
    assert "model.onnx differs" in refused(models)[2]
    shutil.copytree(whole, folder, dirs_exist_ok=True)
    assert models.reload(retry=False)
    assert serving(models)["colours"] == 2
    assert refused(models) == {}


def test_what_was_refused_is_tried_again_if_its_files_change_or_somebody_asks(
    models: ModelRepository, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def tries() -> int:
        return sum("colours:2 failed" in record.message for record in caplog.records)

    folder = write_artifact(tmp_path, "colours", 2, selftest=WRONG)
    for _ in range(3):
        models.reload(retry=False)
    assert tries() == 1
    models.reload(retry=True)
    assert tries() == 2
    edit_manifest(folder, name="other")
    models.reload(retry=False)
    assert tries() == 3
    assert "names other:2" in refused(models)[2]


def test_a_failed_model_is_tried_again_in_the_same_way(tmp_path: Path) -> None:
    folder = write_artifact(tmp_path, "colours", 1)
    good = (folder / MODEL_FILE).read_bytes()
    (folder / MODEL_FILE).write_bytes(b"damaged")
    models = loaded(tmp_path)
    assert serving(models) == {}
    assert not models.reload(retry=False)
    (folder / MODEL_FILE).write_bytes(good)
    assert models.reload(retry=False)
    assert serving(models) == {"colours": 1}


def test_files_damaged_while_serving_are_refused_and_change_no_answer(tmp_path: Path) -> None:
    write_artifact(tmp_path, "colours", 1)
    folder = write_artifact(tmp_path, "colours", 2)
    models = loaded(tmp_path)
    before = models.find("colours").require().classify(photo("red"), 3, DecodeLimits())
    for path in folder.iterdir():
        path.write_bytes(b"damaged")
    assert not models.reload(retry=True)
    assert serving(models) == {"colours": 2}  # not the older one, which is whole
    assert list(refused(models)) == [2]
    after = models.find("colours").require().classify(photo("red"), 3, DecodeLimits())
    assert after.predictions == before.predictions


def test_a_version_that_is_replaced_by_a_good_one_is_taken_over(
    models: ModelRepository, tmp_path: Path
) -> None:
    before = models.find("colours")
    shutil.rmtree(tmp_path / "colours" / "1")
    write_artifact(tmp_path, "colours", 1, graph=graphs.colour_graph(sharpness=5.01))
    assert models.reload(retry=False)
    assert models.find("colours") is not before
    assert serving(models) == {"colours": 1}


def test_a_model_without_a_folder_is_unloaded(models: ModelRepository, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "colours")
    assert models.reload(retry=False)
    assert models.models == []
    with pytest.raises(ModelNotFound):
        models.find("colours")


def test_removing_the_version_that_serves_rolls_back(tmp_path: Path) -> None:
    for version in (1, 2):
        write_artifact(tmp_path, "colours", version)
    models = loaded(tmp_path)
    shutil.rmtree(tmp_path / "colours" / "2")
    assert models.reload(retry=False)
    assert serving(models) == {"colours": 1}


def test_the_old_version_serves_on_if_all_that_is_left_is_bad(
    models: ModelRepository, tmp_path: Path
) -> None:
    write_artifact(tmp_path, "colours", 2, selftest=WRONG)
    shutil.rmtree(tmp_path / "colours" / "1")
    assert not models.reload(retry=False)
    assert serving(models) == {"colours": 1}
    assert list(refused(models)) == [2]


def test_a_pinned_version_stays(tmp_path: Path) -> None:
    write_artifact(tmp_path, "colours", 1)
    models = loaded(tmp_path, ["colours:1"])
    write_artifact(tmp_path, "colours", 2)
    write_artifact(tmp_path, "another", 1)
    assert not models.reload(retry=True)
    assert serving(models) == {"colours": 1}
    shutil.rmtree(tmp_path / "colours" / "1")
    assert models.reload(retry=True)
    assert serving(models) == {}


def test_a_repository_that_cannot_be_listed_changes_nothing(
    models: ModelRepository, tmp_path: Path
) -> None:
    away = tmp_path.rename(tmp_path.with_name("away"))
    assert not models.reload(retry=True)
    assert serving(models) == {"colours": 1}
    away.rename(tmp_path)


def test_at_the_start_the_highest_version_that_is_good_serves(tmp_path: Path) -> None:
    for version in (1, 2):
        write_artifact(tmp_path, "colours", version)
    write_artifact(tmp_path, "colours", 3, selftest=WRONG)
    models = loaded(tmp_path)
    assert serving(models) == {"colours": 2}
    assert list(refused(models)) == [3]
