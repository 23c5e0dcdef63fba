"""Files of the published layouts load, every tensor to its place.

That the places are right is what `export_tools.check_libraries` measures against the libraries;
here the layouts are checked tensor by tensor, and a few places by name.
"""

from pathlib import Path

import pytest
import torch

from export_tools.errors import WeightsError
from export_tools.weights import SOURCES, LoadedNet, load_net
from export_tools.weights.source import Checkpoint, WeightSource
from export_tools.weights.state_dict import read_state_dict
from models import get_spec
from tests.export_tools.weights.layouts import COUNTER, FOLDER, state_of

FILES = sorted(path.stem for path in FOLDER.glob("*.txt"))
CHECKPOINTS = {
    f"{source.name}.{checkpoint.name.partition('.')[0]}": (source, checkpoint)
    for source in SOURCES.values()
    for checkpoint in source.checkpoints
    if source.library
}
MEGVII = SOURCES["megvii-shufflenet"]
CHECKPOINTS["megvii-shufflenet.1.0x-g3"] = (MEGVII, MEGVII.checkpoints[0])


def load(layout: str, tmp_path: Path, *, counters: bool = True) -> LoadedNet:
    source, checkpoint = CHECKPOINTS[layout]
    state = state_of(layout)
    kept = {key: value for key, value in state.items() if counters or not key.endswith(COUNTER)}
    torch.save(kept, tmp_path / "weights.pth")
    return load_net(
        checkpoint.architecture, source, tmp_path / "weights.pth", checkpoint=checkpoint
    )


def test_every_source_that_asks_for_a_state_dict_has_a_layout_here() -> None:
    named = {layout.partition(".")[0] for layout in FILES}
    asking = [source for source in SOURCES.values() if source.packaged is None]
    assert named == {source.name for source in asking if source.read is read_state_dict}


@pytest.mark.parametrize("layout", FILES)
def test_every_tensor_finds_its_place(layout: str, tmp_path: Path) -> None:
    source, checkpoint = CHECKPOINTS[layout]
    loaded = load(layout, tmp_path, counters="g3" not in layout)
    sums = sorted(
        float(value.double().sum())
        for key, value in state_of(layout).items()
        if not key.endswith(COUNTER) and not key.startswith(source.dropped or ("-",))
    )
    own = [
        float(value.double().sum())
        for key, value in loaded.net.state_dict().items()
        if not key.endswith(COUNTER) and float(value.abs().sum()) > 0
    ]
    assert sorted(own) == pytest.approx(sums, rel=1e-12)
    spec = get_spec(checkpoint.architecture, **loaded.spec.variant)
    assert spec.parameters in (None, loaded.parameters)
    assert loaded.published == checkpoint.published


@pytest.mark.parametrize(
    ("layout", "own", "file"),
    [
        (
            "timm-mobilenet.mobilenetv1_100",
            "blocks.3.5.conv_pw.weight",
            "blocks.3.5.conv_pw.weight",
        ),
        (
            "pytorchcv-mobilenet.mobilenet_wd4",
            "blocks.3.5.bn1.running_var",
            "features.stage4.unit6.dw_conv.bn.running_var",
        ),
        (
            "pytorchcv-squeezenet.squeezenet_v1_0",
            "features.7.squeeze.weight",
            "features.stage2.unit1.squeeze.conv.weight",
        ),
        (
            "pytorchcv-squeezenet.squeezenet_v1_1",
            "features.12.expand3x3.bias",
            "features.stage3.unit4.expand3x3.conv.bias",
        ),
        (
            "megvii-shufflenet.1.0x-g3",
            "features.stage2.unit1.dw_bn2.weight",
            "features.4.branch_main_1.4.weight",
        ),
    ],
    ids=lambda value: value,
)
def test_a_tensor_goes_where_its_name_says(
    layout: str, own: str, file: str, tmp_path: Path
) -> None:
    loaded = load(layout, tmp_path)
    assert torch.equal(loaded.net.state_dict()[own], state_of(layout)[file])


def test_megvii_weights_are_bgr_without_scaling_and_without_a_bias(tmp_path: Path) -> None:
    loaded = load("megvii-shufflenet.1.0x-g3", tmp_path)
    state = loaded.net.state_dict()
    file = state_of("megvii-shufflenet.1.0x-g3")["first_conv.0.weight"]
    assert torch.equal(state["features.init_block.conv.weight"], file.flip(1))
    assert loaded.normalisation.std == (1.0, 1.0, 1.0)
    assert not state["output.bias"].any()
    assert loaded.spec.variant["shuffle_order"] == "megvii"


def test_googlenet_drops_its_auxiliary_heads_and_takes_transform_inputs_arithmetic(
    tmp_path: Path,
) -> None:
    loaded = load("torchvision-googlenet.googlenet", tmp_path)
    assert loaded.parameters == 6_624_904
    assert loaded.normalisation.mean == loaded.normalisation.std == (127.5, 127.5, 127.5)


@pytest.mark.parametrize(
    ("size", "crop"),
    [(0, (224, 256)), (1, (240, 272)), (2, (260, 292)), (3, (300, 331)), (4, (380, 413))],
)
def test_lite_nets_run_at_timms_resolutions(size: int, crop: tuple[int, int]) -> None:
    source = SOURCES["timm-tf_efficientnet_lite"]
    found = source.checkpoints[size].crop
    assert found is not None
    assert (found.size, found.resize_shorter) == crop
    assert found.interpolation == ("bilinear" if size > 2 else "bicubic")


def small(layout: str) -> tuple[WeightSource, Checkpoint, dict[str, torch.Tensor]]:
    return *CHECKPOINTS[layout], state_of(layout)


def test_another_number_of_classes_keeps_the_body_and_gets_a_fresh_head(tmp_path: Path) -> None:
    source, checkpoint, state = small("pytorchcv-mobilenet.mobilenet_wd4")
    torch.save(state, tmp_path / "w.pth")
    loaded = load_net(
        "mobilenet_v1",
        source,
        tmp_path / "w.pth",
        classes=7,
        checkpoint=checkpoint,
        new_head=True,
    )
    own = loaded.net.state_dict()
    assert torch.equal(own["conv_stem.weight"], state["features.init_block.conv.weight"])
    assert own["classifier.weight"].shape == (7, 256)
    assert loaded.untrained == "new classifier of 7 classes"
    assert loaded.published is None


def test_another_body_is_refused_even_with_a_new_head(tmp_path: Path) -> None:
    source, checkpoint, state = small("pytorchcv-mobilenet.mobilenet_wd4")
    del state["features.stage3.unit1.pw_conv.conv.weight"]
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"missing: features\.stage3\.unit1\.pw_conv"):
        load_net(
            "mobilenet_v1",
            source,
            tmp_path / "w.pth",
            classes=7,
            checkpoint=checkpoint,
            new_head=True,
        )


def test_options_that_the_weights_do_not_have_are_refused(tmp_path: Path) -> None:
    source, _, state = small("pytorchcv-mobilenet.mobilenet_wd4")
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="need activation=relu, not activation=relu6"):
        load_net("mobilenet_v1", source, tmp_path / "w.pth", options={"activation": "relu6"})


def test_the_users_options_find_the_published_file(tmp_path: Path) -> None:
    source, checkpoint, state = small("pytorchcv-mobilenet.mobilenet_wd4")
    torch.save(state, tmp_path / "w.pth")
    loaded = load_net(
        "mobilenet_v1", source, tmp_path / "w.pth", options={"width": 0.25}, input_size=160
    )
    assert loaded.published == checkpoint.published
    assert (loaded.input.height, loaded.input.resize_shorter) == (160, 183)
    assert loaded.macs == 21_059_200
