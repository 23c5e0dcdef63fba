"""`library:name` finds a published file; what cannot be fetched is told with what to bring."""

from pathlib import Path

import pytest

from export_tools.errors import WeightsError
from export_tools.weights import SOURCES, Published, fetch, find_published

# Stands in for timm: the program asks it for a configuration, then for the file.
FAKE_TIMM = """
class Config:
    hf_hub_id = None
    url = "weights.pth"

def get_pretrained_cfg(name):
    assert name == "legacy_xception.tf_in1k"
    return Config
"""
FAKE_MODELS = """
import os, time
def download_cached_file(url, check_hash):
    assert check_hash
    {action}
"""


def published(reference: str) -> Published:
    found = find_published(SOURCES.values(), reference)
    assert found is not None
    return found


@pytest.fixture
def xception() -> Published:
    return published("timm:legacy_xception")


def install(folder: Path, action: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "timm").mkdir()
    (folder / "timm" / "__init__.py").write_text(FAKE_TIMM)
    (folder / "timm" / "models.py").write_text(FAKE_MODELS.format(action=action))
    monkeypatch.setenv("PYTHONPATH", str(folder))


@pytest.mark.parametrize(
    ("reference", "source", "name"),
    [
        ("timm:mobilenetv1_100", "timm-mobilenet", "mobilenetv1_100.ra4_e3600_r224_in1k"),
        (
            "timm:tf_efficientnet_lite3.in1k",
            "timm-tf_efficientnet_lite",
            "tf_efficientnet_lite3.in1k",
        ),
        ("torchvision:googlenet", "torchvision-googlenet", "googlenet"),
        ("pytorchcv:shufflenet_g8_w1", "pytorchcv-shufflenet", "shufflenet_g8_w1"),
    ],
)
def test_a_name_finds_its_source(reference: str, source: str, name: str) -> None:
    found = published(reference)
    assert (found.source.name, found.checkpoint.name) == (source, name)


@pytest.mark.parametrize("reference", ["weights.pth", "folder/weights.pth", "C:weights.pth"])
def test_a_path_is_no_name(reference: str) -> None:
    assert find_published(SOURCES.values(), reference) is None


def test_an_unknown_name_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(WeightsError, match=r"timm has no 'mobilenetv1_100h'.*legacy_xception"):
        find_published(SOURCES.values(), "timm:mobilenetv1_100h")


def test_a_file_comes_through_the_librarys_own_hub(
    xception: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights.pth").write_bytes(b"weights")
    install(tmp_path, f"return {str(tmp_path / 'weights.pth')!r}", monkeypatch)
    assert fetch(xception).read_bytes() == b"weights"


def test_a_library_that_does_not_answer_is_ended(
    xception: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "time.sleep(60)", monkeypatch)
    with pytest.raises(
        WeightsError, match="did not answer within 1 s: download xception-43020ad28"
    ):
        fetch(xception, seconds=1)


def test_a_library_that_fails_is_told_with_the_file_to_bring(
    xception: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "raise OSError('no network')", monkeypatch)
    with pytest.raises(WeightsError) as refused:
        fetch(xception)
    assert refused.value.detail == (
        "timm could not fetch legacy_xception.tf_in1k: download xception-43020ad28.pth on another "
        "machine, put it anywhere here, and give it with --source timm-xception --weights FILE."
    )


def test_a_library_that_is_not_there_is_named(
    xception: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "timm.py").write_text("raise ModuleNotFoundError(\"No module named 'timm'\")")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(WeightsError, match="timm is not installed"):
        fetch(xception)
