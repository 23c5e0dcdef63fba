"""The artifacts that ship: they load, pass their self-tests and know a cat."""

import pytest

from service.engine.decode import DecodeLimits
from service.engine.host import describe_host
from service.engine.repository import ModelRepository
from service.engine.session import SessionOptions
from tests.support.process import ROOT

SHIPPED = (
    "efficientnet_lite0-int8",
    "squeezenet1_1",
    "squeezenet1_1-int8",
    "squeezenet1_1-packed",
)
CAT = ROOT / "tests" / "data" / "cat.jpg"


@pytest.mark.parametrize("name", SHIPPED)
def test_a_model_that_ships_passes_its_self_test_and_knows_a_cat(name: str) -> None:
    models = ModelRepository(
        ROOT / "model_repository", SessionOptions(), describe_host(), wanted=[name]
    )
    models.load_all()
    model = models.find(name).require()
    assert model.manifest.classes == len(model.labels) == 1000
    best = model.classify(CAT.read_bytes(), 1, DecodeLimits()).predictions[0]
    assert "cat" in best.label.split()
