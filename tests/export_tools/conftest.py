"""Builds that several tests look at, made once: a tiny net, and SqueezeNet as it ships."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from export_tools.artifacts import SHIPPED, request_for
from export_tools.draft import Draft, expect_selftest, file_facts_of, labels_bytes
from export_tools.fp32 import Fp32Result, build_fp32
from export_tools.int8 import Choices, Int8Result, build_int8
from export_tools.onnx_export import export_onnx
from export_tools.photos import selftest_photo
from export_tools.serving_net import ServingNet
from export_tools.weights import Normalisation
from service.engine.manifest import (
    LABELS_FILE,
    MODEL_FILE,
    SELFTEST_FILE,
    InputPolicy,
    Manifest,
    Provenance,
)
from service.engine.session import OrtSession, SessionOptions

TINY_INPUT = InputPolicy(height=32, width=32, resize_shorter=36)
TINY_LABELS = ("red", "green", "blue", "grey")
CENTRED = Normalisation((127.0, 127.0, 127.0), (128.0, 128.0, 128.0))


class TinyNet(nn.Module):
    """Every kind of layer that the quantiser's additions look at, in 500 parameters."""

    def __init__(self, *, padding: int = 1) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=padding)
        self.left = nn.Conv2d(8, 4, 1)
        self.right = nn.Conv2d(8, 4, 3, padding=1)
        self.head = nn.Linear(8, len(TINY_LABELS))

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, 3, 32, 32] to logits [batch, 4]."""
        x = self.stem(x).relu()
        x = torch.cat((self.left(x).relu(), self.right(x).relu()), dim=1)
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits


def tiny_serving_net(normalisation: Normalisation = CENTRED, *, padding: int = 1) -> ServingNet:
    """Build a tiny net with weights that are always the same."""
    torch.manual_seed(5)
    net = TinyNet(padding=padding)
    with torch.no_grad():
        net.head.weight.mul_(6)  # spreads the probabilities
    return ServingNet(net, normalisation).eval()


def random_planes(count: int) -> NDArray[np.uint8]:
    """Return images uint8 [count, 3, 32, 32] that use all grey levels."""
    random = np.random.default_rng(11)
    return random.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)


@pytest.fixture(scope="session")
def tiny_net() -> ServingNet:
    return tiny_serving_net()


@pytest.fixture(scope="session")
def tiny_graph(tiny_net: ServingNet) -> bytes:
    return export_onnx(tiny_net, TINY_INPUT, len(TINY_LABELS))


@pytest.fixture(scope="session")
def make_draft(tiny_graph: bytes) -> Callable[[str], Draft]:
    """Make a draft of the tiny net under a name."""

    def make(name: str) -> Draft:
        photo = selftest_photo()
        files = {
            MODEL_FILE: tiny_graph,
            LABELS_FILE: labels_bytes(TINY_LABELS),
            SELFTEST_FILE: photo,
        }
        session = OrtSession(tiny_graph, SessionOptions())
        manifest = Manifest(
            name=name,
            version=1,
            architecture="tiny",
            precision="fp32",
            classes=len(TINY_LABELS),
            file_bytes=len(tiny_graph),
            files=file_facts_of(files),
            input=TINY_INPUT,
            provenance=Provenance(weights_source="random"),
            selftest=expect_selftest(
                session, TINY_INPUT, TINY_LABELS, photo, tolerance=0.02, must_be_sure=False
            ),
        )
        return Draft(manifest, tiny_graph, TINY_LABELS, photo, {"median_ms": 1.0})

    return make


@pytest.fixture(scope="session")
def squeezenet_fp32() -> Fp32Result:
    (shipped,) = [entry for entry in SHIPPED if entry.architecture == "squeezenet1_1"]
    return build_fp32(request_for(shipped), lambda _: None)


@pytest.fixture(scope="session")
def squeezenet_int8(squeezenet_fp32: Fp32Result) -> Int8Result:
    choices = Choices(equalise=0.5, float_first=2)  # its recipe's
    return build_int8(squeezenet_fp32.draft, "squeezenet1_1-int8", lambda _: None, choices=choices)


@pytest.fixture(scope="session")
def model_repository() -> Path:
    return Path(__file__).parents[2] / "model_repository"
