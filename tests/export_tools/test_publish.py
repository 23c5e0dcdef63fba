"""Publishing is all or nothing, and never overwrites unasked."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from export_tools.draft import Draft
from export_tools.errors import PublishError
from export_tools.publish import publish, published_versions
from service.engine.artifact import load_artifact, selftest
from service.engine.session import SessionOptions
from service.errors import ContractViolation, HashMismatch, SelfTestFailed

MakeDraft = Callable[[str], Draft]


def everything_in(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_published_model_is_complete_and_answers(tmp_path: Path, make_draft: MakeDraft) -> None:
    folder = publish(make_draft("tiny"), tmp_path)
    assert folder == tmp_path / "tiny" / "1"
    assert sorted(everything_in(tmp_path)) == [
        "tiny/1/labels.txt",
        "tiny/1/manifest.json",
        "tiny/1/measured.json",
        "tiny/1/model.onnx",
        "tiny/1/selftest.jpg",
        "tiny/config.pbtxt",
    ]
    selftest(load_artifact(folder, SessionOptions()))
    assert json.loads((folder / "measured.json").read_text()) == {"median_ms": 1.0}


def test_a_second_publication_is_the_next_version(tmp_path: Path, make_draft: MakeDraft) -> None:
    publish(make_draft("tiny"), tmp_path)
    first = everything_in(tmp_path / "tiny" / "1")
    folder = publish(make_draft("tiny"), tmp_path)
    assert folder.name == "2"
    assert json.loads((folder / "manifest.json").read_text())["version"] == 2
    assert everything_in(tmp_path / "tiny" / "1") == first
    assert '"2/labels.txt"' in (tmp_path / "tiny" / "config.pbtxt").read_text()
    assert published_versions(tmp_path, "tiny") == [1, 2]


def test_an_older_version_leaves_the_configuration(tmp_path: Path, make_draft: MakeDraft) -> None:
    publish(make_draft("tiny"), tmp_path, version=3)
    publish(make_draft("tiny"), tmp_path, version=2)
    assert '"3/labels.txt"' in (tmp_path / "tiny" / "config.pbtxt").read_text()


def test_a_version_that_is_there_stays_unless_replaced(
    tmp_path: Path, make_draft: MakeDraft
) -> None:
    publish(make_draft("tiny"), tmp_path)
    before = everything_in(tmp_path)
    other = replace(make_draft("tiny"), measured={"median_ms": 2.0})
    with pytest.raises(PublishError, match="has a version 1 already"):
        publish(other, tmp_path, version=1)
    assert everything_in(tmp_path) == before
    publish(other, tmp_path, version=1, replace=True)
    assert json.loads((tmp_path / "tiny/1/measured.json").read_text()) == {"median_ms": 2.0}
    assert published_versions(tmp_path, "tiny") == [1]


def broken_hash(draft: Draft) -> Draft:
    return replace(draft, labels=("red", "green", "blue", "white"))


def broken_selftest(draft: Draft) -> Draft:
    wrong = draft.manifest.selftest.model_copy(
        update={"index": (draft.manifest.selftest.index + 1) % 4}
    )
    return replace(draft, manifest=draft.manifest.model_copy(update={"selftest": wrong}))


def broken_contract(draft: Draft) -> Draft:
    wrong = draft.manifest.input.model_copy(update={"height": 16})
    return replace(draft, manifest=draft.manifest.model_copy(update={"input": wrong}))


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (broken_hash, HashMismatch),
        (broken_selftest, SelfTestFailed),
        (broken_contract, ContractViolation),
    ],
)
def test_what_the_engine_refuses_is_not_published(
    tmp_path: Path,
    make_draft: MakeDraft,
    damage: Callable[[Draft], Draft],
    error: type[Exception],
) -> None:
    publish(make_draft("tiny"), tmp_path)
    before = everything_in(tmp_path)
    with pytest.raises(error):
        publish(damage(make_draft("tiny")), tmp_path, version=1, replace=True)
    with pytest.raises(error):
        publish(damage(make_draft("other")), tmp_path)
    assert everything_in(tmp_path) == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["tiny"], "nothing is left behind"


def test_a_replaced_version_comes_back_when_the_rename_fails(
    tmp_path: Path, make_draft: MakeDraft, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(make_draft("tiny"), tmp_path)
    before = everything_in(tmp_path)
    rename, target = Path.rename, tmp_path / "tiny" / "1"

    def failing(self: Path, to: Path) -> Path:
        if to == target and self.name == "1":
            raise OSError(28, "No space left on device")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(PublishError, match="No space left"):
        publish(make_draft("tiny"), tmp_path, version=1, replace=True)
    assert everything_in(tmp_path) == before


def test_a_repository_that_cannot_be_written_is_named(
    tmp_path: Path, make_draft: MakeDraft
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PublishError, match="cannot be written"):
        publish(make_draft("tiny"), tmp_path / "file")


def test_a_name_cannot_lead_out_of_the_repository(tmp_path: Path, make_draft: MakeDraft) -> None:
    draft = make_draft("tiny")
    outside = replace(draft, manifest=draft.manifest.model_copy(update={"name": "../tiny"}))
    with pytest.raises(PublishError, match="cannot name a model"):
        publish(outside, tmp_path / "models")
    assert list(tmp_path.iterdir()) == []


def test_versions_are_plain_integers(tmp_path: Path) -> None:
    for name in ("1", "12", "02", "x", ".3", "²"):
        (tmp_path / "tiny" / name).mkdir(parents=True)
    (tmp_path / "tiny" / "4").write_text("a file")
    assert published_versions(tmp_path, "tiny") == [1, 12]
    assert published_versions(tmp_path, "none") == []
