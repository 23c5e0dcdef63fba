"""One version folder: what loads, what is refused and why, and the self-test."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.reliability.files import graphs
from service.engine.artifact import LoadedModel, checked_selftest, load_artifact, selftest
from service.engine.decode import DecodeLimits
from service.engine.host import Host
from service.engine.manifest import LABELS_FILE, MANIFEST_FILE, MODEL_FILE, SELFTEST_FILE, SelfTest
from service.engine.session import SessionOptions
from service.errors import (
    ContractViolation,
    HashMismatch,
    InvalidManifest,
    SelfTestFailed,
    UnsafeGraph,
)
from tests.support.artifacts import edit_manifest, seal, write_artifact
from tests.support.images import photo

WITH_VNNI = Host("a cpu", "x86_64", ("avx2", "avx512_vnni"), 2.0, "1.0")
WITHOUT_VNNI = Host("an old cpu", "x86_64", ("avx2",), 2.0, "1.0")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_artifact(tmp_path)


def load(folder: Path) -> LoadedModel:
    return load_artifact(folder, SessionOptions())


def best(model: LoadedModel, data: bytes) -> str:
    return model.classify(data, 1, DecodeLimits()).predictions[0].label


@pytest.mark.parametrize("colour", ["red", "green", "blue"])
def test_a_loaded_model_answers(folder: Path, colour: str) -> None:
    assert best(load(folder), photo(colour)) == colour


def test_predictions_come_best_first_with_label_and_index(folder: Path) -> None:
    predictions = load(folder).classify(photo("green"), 3, DecodeLimits()).predictions
    assert [(p.label, p.index) for p in predictions] == [("green", 1), ("red", 0), ("blue", 2)]
    assert sum(p.probability for p in predictions) == pytest.approx(1.0)


def test_every_stage_of_work_is_timed(folder: Path) -> None:
    times = load(folder).classify(photo(), 1, DecodeLimits()).times
    assert min(times.decode, times.preprocess, times.inference, times.postprocess) > 0


@pytest.mark.parametrize("name", [MODEL_FILE, LABELS_FILE, SELFTEST_FILE])
def test_a_changed_file_is_refused_by_name(folder: Path, name: str) -> None:
    path = folder / name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(HashMismatch, match=name):
        load(folder)


@pytest.mark.parametrize("name", [MODEL_FILE, LABELS_FILE, SELFTEST_FILE, MANIFEST_FILE])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(InvalidManifest, match=f"{name} cannot be read"):
        load(folder)


@pytest.mark.parametrize("name", [MODEL_FILE, LABELS_FILE, SELFTEST_FILE, MANIFEST_FILE])
def test_a_linked_file_is_refused_by_name(folder: Path, tmp_path: Path, name: str) -> None:
    moved = (folder / name).rename(tmp_path / name)
    (folder / name).symlink_to(moved)
    with pytest.raises(UnsafeGraph, match=f"{name} is a link"):
        load(folder)


def test_a_folder_in_place_of_a_file_is_refused(folder: Path) -> None:
    (folder / LABELS_FILE).unlink()
    (folder / LABELS_FILE).mkdir()
    with pytest.raises(UnsafeGraph, match=LABELS_FILE):
        load(folder)


@pytest.mark.parametrize("linked", ["version", "model"])
def test_a_linked_folder_is_refused(tmp_path: Path, linked: str) -> None:
    folder = write_artifact(tmp_path / "elsewhere")
    repository = tmp_path / "repository"
    if linked == "version":
        (repository / "colours").mkdir(parents=True)
        (repository / "colours" / "1").symlink_to(folder)
    else:
        repository.mkdir()
        (repository / "colours").symlink_to(folder.parent)
    with pytest.raises(UnsafeGraph, match="is a link"):
        load(repository / "colours" / "1")


def test_a_size_that_is_not_the_file_s_is_refused(folder: Path) -> None:
    document = load(folder).manifest.model_dump(mode="json")
    document["files"][LABELS_FILE]["bytes"] += 1
    edit_manifest(folder, files=document["files"])
    with pytest.raises(HashMismatch, match=LABELS_FILE):
        load(folder)


def test_an_unsafe_graph_is_refused_before_the_runtime_sees_it(tmp_path: Path) -> None:
    with pytest.raises(UnsafeGraph, match="external data"):
        load(write_artifact(tmp_path, graph=graphs.with_external_data()))


@pytest.mark.parametrize(
    "change",
    [
        {"input": {"height": 24, "width": 24, "resize_shorter": 36}},
        {"input": {"height": 32, "width": 24, "resize_shorter": 36}},
    ],
    ids=str,
)
def test_a_graph_of_another_size_than_the_manifest_says_is_refused(
    folder: Path, change: dict[str, object]
) -> None:
    edit_manifest(folder, **change)
    with pytest.raises(ContractViolation, match=r"\(24, 32, 3\)"):
        load(folder)


def test_a_graph_of_other_classes_than_the_manifest_says_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractViolation, match="classes"):
        load(write_artifact(tmp_path, labels=("red", "green", "blue", "grey")))


@pytest.mark.parametrize("labels", ["red\ngreen\n", "red\ngreen\nblue\ngrey\n", ""])
def test_the_labels_are_as_many_as_the_classes(folder: Path, labels: str) -> None:
    (folder / LABELS_FILE).write_text(labels, encoding="utf-8")
    seal(folder)
    with pytest.raises(InvalidManifest, match="lines"):
        load(folder)


def test_labels_that_are_no_utf_8_are_refused(folder: Path) -> None:
    (folder / LABELS_FILE).write_bytes(b"red\ngr\xfcn\nblue\n")
    seal(folder)
    with pytest.raises(InvalidManifest, match="UTF-8"):
        load(folder)


def test_a_model_in_memory_does_not_care_for_its_files(folder: Path) -> None:
    model = load(folder)
    for path in folder.iterdir():
        path.write_bytes(b"damaged")
    assert best(model, photo("blue")) == "blue"
    selftest(model)


def wrong_label() -> SelfTest:
    return SelfTest(index=2, label="blue", probability=0.984, tolerance=0.01)


def wrong_probability() -> SelfTest:
    return SelfTest(index=0, label="red", probability=0.9, tolerance=0.05)


def test_a_model_that_answers_as_promised_passes_its_self_test(folder: Path) -> None:
    assert checked_selftest(load(folder), WITH_VNNI) == []


@pytest.mark.parametrize("promise", [wrong_label, wrong_probability])
def test_a_model_that_answers_otherwise_fails_its_self_test(
    tmp_path: Path, promise: Callable[[], SelfTest]
) -> None:
    model = load(write_artifact(tmp_path, selftest=promise()))
    with pytest.raises(SelfTestFailed, match=r"got 'red' at 0\.98"):
        checked_selftest(model, WITH_VNNI)


def test_a_self_test_without_a_picture_fails(folder: Path) -> None:
    (folder / SELFTEST_FILE).write_bytes(b"no picture")
    seal(folder)
    with pytest.raises(SelfTestFailed, match=SELFTEST_FILE):
        selftest(load(folder))


def test_an_answer_that_is_no_number_fails_the_self_test(tmp_path: Path) -> None:
    model = load(write_artifact(tmp_path, graph=graphs.colour_graph(sharpness=float("nan"))))
    with pytest.raises(SelfTestFailed):
        selftest(model)


def test_int8_on_a_cpu_that_saturates_is_warned_of(tmp_path: Path) -> None:
    model = load(write_artifact(tmp_path, precision="int8"))
    (warning,) = checked_selftest(model, WITHOUT_VNNI)
    assert "VNNI" in warning
    assert "quantize PARENT --target x86-avx2" in warning


def test_the_warning_names_the_parent_to_take_instead(tmp_path: Path) -> None:
    folder = write_artifact(tmp_path, precision="int8")
    edit_manifest(folder, quality={"parent": "colours"})
    (warning,) = checked_selftest(load(folder), WITHOUT_VNNI)
    assert "Serve colours, or" in warning
    assert "quantize colours --target x86-avx2" in warning


@pytest.mark.parametrize("setting", ["pairs_of_weights", "weight_bits"])
def test_int8_made_for_such_a_cpu_is_held_to_its_promise(tmp_path: Path, setting: str) -> None:
    folder = write_artifact(tmp_path, precision="int8")
    edit_manifest(folder, compression=[{"step": "static int8", "settings": {setting: 7}}])
    assert checked_selftest(load(folder), WITHOUT_VNNI) == []
    folder = write_artifact(tmp_path / "wrong", precision="int8", selftest=wrong_label())
    edit_manifest(folder, compression=[{"step": "static int8", "settings": {setting: 7}}])
    with pytest.raises(SelfTestFailed):
        checked_selftest(load(folder), WITHOUT_VNNI)


def test_int8_that_answers_otherwise_on_such_a_cpu_serves_with_two_warnings(
    tmp_path: Path,
) -> None:
    model = load(write_artifact(tmp_path, precision="int8", selftest=wrong_label()))
    assert [w.partition(":")[0] for w in checked_selftest(model, WITHOUT_VNNI)] == [
        "This CPU has no VNNI",
        "Self-test",
    ]


def test_int8_with_vnni_has_no_excuse(tmp_path: Path) -> None:
    model = load(write_artifact(tmp_path, precision="int8", selftest=wrong_label()))
    with pytest.raises(SelfTestFailed):
        checked_selftest(model, WITH_VNNI)


def test_fp32_has_no_excuse_on_any_cpu(tmp_path: Path) -> None:
    model = load(write_artifact(tmp_path, selftest=wrong_label()))
    with pytest.raises(SelfTestFailed):
        checked_selftest(model, WITHOUT_VNNI)
