"""The manifest on disk and what it must hold."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from service.engine.manifest import MANIFEST_FILE, InputPolicy, Manifest, read_manifest
from service.errors import InvalidManifest
from tests.support.artifacts import edit_manifest, write_artifact


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_artifact(tmp_path)


def test_a_manifest_survives_writing_and_reading(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert manifest.name == "colours"
    (folder / MANIFEST_FILE).write_text(manifest.to_json(), encoding="utf-8")
    assert read_manifest(folder) == manifest


def test_the_document_is_the_same_whatever_the_order_of_its_members(folder: Path) -> None:
    document = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    turned = dict(reversed(document.items()))
    assert Manifest.model_validate(turned).to_json() == Manifest.model_validate(document).to_json()


def test_unknown_facts_are_null_in_the_document(folder: Path) -> None:
    document = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    assert document["quality"]["top1"] is None
    assert document["provenance"]["command"] is None


def test_a_missing_manifest_says_so(folder: Path) -> None:
    (folder / MANIFEST_FILE).unlink()
    with pytest.raises(InvalidManifest, match="No such file"):
        read_manifest(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\ud800", '{"name": NaN}'])
def test_what_is_no_manifest_is_refused(folder: Path, text: str) -> None:
    (folder / MANIFEST_FILE).write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(InvalidManifest, match=MANIFEST_FILE):
        read_manifest(folder)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"surprise": 1}, "surprise"),
        ({"schema_version": 2}, "schema_version"),
        ({"name": "../colours"}, "name"),
        ({"name": "Colours"}, "name"),
        ({"name": ""}, "name"),
        ({"version": 0}, "version"),
        ({"precision": "int4"}, "precision"),
        ({"classes": 0}, "classes"),
        ({"parameters": -1}, "parameters"),
        ({"file_bytes": 7}, "file_bytes"),
        ({"files": {}}, "model.onnx, labels.txt, selftest.jpg"),
        ({"input": {"height": 24, "width": 32, "resize_shorter": 31}}, "resize_shorter"),
        ({"input": {"height": 0, "width": 32, "resize_shorter": 36}}, "input.height"),
        ({"quality": {"top1": 1.5}}, "quality.top1"),
        ({"provenance": None}, "provenance"),
        (
            {"selftest": {"index": 3, "label": "x", "probability": 1, "tolerance": 0}},
            "selftest.index",
        ),
        (
            {"selftest": {"index": 0, "label": "x", "probability": 1, "tolerance": -1}},
            "selftest.tolerance",
        ),
    ],
    ids=str,
)
def test_a_wrong_member_is_named(folder: Path, changes: dict[str, Any], named: str) -> None:
    edit_manifest(folder, **changes)
    with pytest.raises(InvalidManifest, match=named):
        read_manifest(folder)


def test_a_tolerance_that_is_no_number_is_refused(folder: Path) -> None:
    # NaN would let any answer pass the self-test, or none
    edit_manifest(
        folder, selftest={"index": 0, "label": "x", "probability": 1, "tolerance": float("nan")}
    )
    with pytest.raises(InvalidManifest, match=r"selftest\.tolerance"):
        read_manifest(folder)


def test_a_missing_member_is_named(folder: Path) -> None:
    path = folder / MANIFEST_FILE
    document = json.loads(path.read_text(encoding="utf-8"))
    del document["architecture"]
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(InvalidManifest, match="architecture"):
        read_manifest(folder)


def test_a_manifest_cannot_be_changed_once_it_is_read(folder: Path) -> None:
    manifest = read_manifest(folder)
    with pytest.raises(ValidationError, match="frozen"):
        manifest.name = "other"  # type: ignore[misc]


def test_the_crop_may_be_the_whole_resized_picture() -> None:
    policy = InputPolicy(height=224, width=224, resize_shorter=224)
    assert policy.interpolation == "bicubic"
