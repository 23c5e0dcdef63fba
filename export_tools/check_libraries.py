"""Compare our nets, given a library's weights, with that library's own net.

    python -m export_tools.check_libraries [--layouts FOLDER]

Runs for whichever of timm, torchvision and pytorchcv are installed. Weights are random, the image
is the same, each side normalises it as it does for a published file, and the logits must agree.
Crops are compared as well where the library knows them. With `--layouts` the names and shapes of
the libraries' state dicts are written, which the tests load.
"""

import importlib
import math
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from torch import Tensor, nn

from export_tools.weights import SOURCES, load_net
from export_tools.weights.source import Checkpoint, WeightSource

TOLERANCE = 1e-4  # of the largest logit
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

console = Console()


@dataclass(frozen=True, slots=True)
class TheirNet:
    """A library's net with its normalisation, on values 0 to 1; `crop` is (size, resize)."""

    net: nn.Module
    mean: tuple[float, ...]
    std: tuple[float, ...]
    crop: tuple[int, int] | None = None


def build_timm(name: str) -> TheirNet:
    """Build a net of timm with fresh weights."""
    net = importlib.import_module("timm").create_model(name, pretrained=False)
    config = net.pretrained_cfg
    size = config["input_size"][-1]
    crop = (size, math.floor(size / config["crop_pct"]))
    return TheirNet(net, config["mean"], config["std"], crop)


def build_torchvision(name: str) -> TheirNet:
    """Build a net of torchvision as it is with published weights, but with fresh ones."""
    models = importlib.import_module("torchvision.models")
    options = {"transform_input": True, "init_weights": False} if name == "googlenet" else {}
    presets = models.get_model_weights(name)["IMAGENET1K_V1"].transforms()
    crop = (presets.crop_size[0], presets.resize_size[0])
    net = models.get_model(name, weights=None, **options)
    return TheirNet(net, tuple(presets.mean), tuple(presets.std), crop)


def build_pytorchcv(name: str) -> TheirNet:
    """Build a net of pytorchcv with fresh weights; its normalisation is ImageNet's for all."""
    net = importlib.import_module("pytorchcv.model_provider").get_model(name, pretrained=False)
    return TheirNet(net, *_IMAGENET)


LIBRARIES: dict[str, Callable[[str], TheirNet]] = {
    "timm": build_timm,
    "torchvision": build_torchvision,
    "pytorchcv": build_pytorchcv,
}


def compare(source: WeightSource, checkpoint: Checkpoint, theirs: TheirNet) -> float:
    """Return the largest difference of a logit, relative to the largest logit.

    Raises:
        ValueError: the crops differ.
    """
    randomise(theirs.net)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "weights.pth"
        torch.save(theirs.net.state_dict(), file)
        ours = load_net(checkpoint.architecture, source, file, checkpoint=checkpoint)
    crop = (ours.input.height, ours.input.resize_shorter)
    if theirs.crop not in (None, crop):
        raise ValueError(f"their crop is {theirs.crop}, ours {crop}")
    size = ours.input.height
    image = torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8)
    with torch.no_grad():
        wanted = theirs.net.eval()(_normalised(image / 255, theirs.mean, theirs.std))
        normalisation = ours.normalisation
        found = ours.net(_normalised(image, normalisation.mean, normalisation.std))
    return float((found - wanted).abs().max() / wanted.abs().max())


def randomise(net: nn.Module) -> None:
    """Give every weight and statistic a value that another place would not have."""
    torch.manual_seed(0)
    for part in net.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(part.weight)
            if part.bias is not None:
                nn.init.normal_(part.bias, std=0.1)
        if isinstance(part, nn.BatchNorm2d):
            assert part.running_mean is not None
            assert part.running_var is not None
            nn.init.normal_(part.running_mean, std=0.1)
            nn.init.uniform_(part.running_var, 0.8, 1.2)
            nn.init.uniform_(part.weight, 0.8, 1.2)
            nn.init.normal_(part.bias, std=0.1)


def layout_lines(net: nn.Module) -> str:
    """Return a state dict's layout: a key and its shape (`-` for a scalar) a line."""
    return "".join(
        f"{key} {'x'.join(map(str, value.shape)) or '-'}\n"
        for key, value in net.state_dict().items()
    )


def main(
    layouts: Annotated[Path | None, typer.Option(help="Write the layouts here.")] = None,
) -> None:
    """Compare all that can be compared; exit with 1 where anything differs."""
    _declare_detection_operators()
    failed = False
    for source in SOURCES.values():
        for checkpoint in source.checkpoints:
            build = LIBRARIES.get(source.library or "")
            if build is None:
                continue
            theirs = _build_or_tell(build, checkpoint.name)
            if theirs is None:
                continue
            if layouts is not None:
                file = layouts / f"{source.name}.{checkpoint.name.partition('.')[0]}.txt"
                file.write_text(layout_lines(theirs.net), "utf-8")
            difference = compare(source, checkpoint, theirs)
            right = difference <= TOLERANCE
            failed |= not right
            text = f"{source.library} {checkpoint.name}: {difference:.1e}"
            console.print(text if right else f"{text}, differs", markup=False)
    sys.exit(failed)


def _build_or_tell(build: Callable[[str], TheirNet], name: str) -> TheirNet | None:
    try:
        return build(name)
    except ModuleNotFoundError as error:
        console.print(f"{name}: {error.name} is not installed", markup=False)
        return None


def _normalised(image: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    return (image - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)


def _declare_detection_operators() -> None:
    """Let torchvision be imported beside the CPU build of PyTorch.

    Its wheel is built for CUDA; without its binary the import stops at two operators for object
    detection that are then unknown. The nets need neither.
    """
    try:
        importlib.import_module("torchvision")
    except ModuleNotFoundError:
        return
    except RuntimeError:
        # torch declares no types for this call
        library: Any = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _OPERATORS.append(library)


_OPERATORS: list[Any] = []  # a declaration lasts as long as its library object

if __name__ == "__main__":
    typer.run(main)
