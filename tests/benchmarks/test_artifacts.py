"""Temporary copies of the shipped models are whole artifacts."""

from benchmarks.artifacts import RIVALS_POLICY, bilinear_copy, copies
from benchmarks.engine import FP32, INT8, manifest_of, shipped_in, version_folder
from benchmarks.server import ROOT
from service.engine.artifact import load_artifact, selftest
from service.engine.session import SessionOptions

REPOSITORY = ROOT / "model_repository"


def test_the_default_model_leads_the_shipped_ones() -> None:
    assert shipped_in(REPOSITORY)[0] == INT8


def test_a_copy_with_another_filter_passes_its_self_test() -> None:
    with bilinear_copy(REPOSITORY, FP32) as folder:
        model = load_artifact(version_folder(folder, FP32), SessionOptions())
        selftest(model)
        assert model.manifest.input == RIVALS_POLICY
        assert model.manifest.files == manifest_of(REPOSITORY, FP32).files


def test_copies_are_named_apart_and_gone_afterwards() -> None:
    with copies(REPOSITORY, INT8, 2) as folder:
        assert sorted(path.name for path in folder.iterdir()) == ["copy-1", "copy-2"]
        assert manifest_of(folder, "copy-2").name == "copy-2"
    assert not folder.exists()
