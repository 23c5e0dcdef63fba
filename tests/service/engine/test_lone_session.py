"""An image that has the box to itself runs on a session of its own."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from service.engine.artifact import LoadedModel, load_artifact
from service.engine.decode import DecodeLimits
from service.engine.host import describe_host
from service.engine.repository import ModelRepository
from service.engine.session import Session, SessionOptions
from service.errors import UnsafeGraph
from tests.support.artifacts import write_artifact
from tests.support.images import photo

WIDE = SessionOptions(lone_request_threads=2)


class CountingSession:
    """Counts the runs of another session."""

    def __init__(self, inner: Session) -> None:
        self.providers = inner.providers
        self.runs = 0
        self._inner = inner

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.runs += 1
        return self._inner.run(images)


def load(tmp_path: Path) -> LoadedModel:
    return load_artifact(write_artifact(tmp_path), WIDE)


def test_only_a_lone_image_runs_on_the_lone_session(tmp_path: Path) -> None:
    model = load(tmp_path)
    shared, lone = CountingSession(model.session), CountingSession(model.session)
    model = replace(model, session=shared, lone_session=lone)
    model.classify(photo("red"), 1, DecodeLimits())
    assert (shared.runs, lone.runs) == (1, 0)
    model.classify(photo("red"), 1, DecodeLimits(), alone=True)
    assert (shared.runs, lone.runs) == (1, 1)


def test_both_sessions_give_the_same_answer(tmp_path: Path) -> None:
    model = load(tmp_path).widened(WIDE)
    assert model.lone_session is not None
    answers = [
        model.classify(photo("green"), 3, DecodeLimits(), alone).predictions
        for alone in (False, True)
    ]
    assert answers[0] == answers[1]


def test_a_model_whose_lone_session_cannot_be_made_serves_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> LoadedModel:
        raise UnsafeGraph("no room for another session")

    monkeypatch.setattr(LoadedModel, "widened", fail)
    write_artifact(tmp_path, "colours")
    models = ModelRepository(tmp_path, WIDE, describe_host())
    models.load_all()
    models.widen_all()
    model = models.find("colours").require()
    assert model.lone_session is None
    assert model.classify(photo("red"), 1, DecodeLimits(), alone=True).predictions


def test_one_thread_makes_no_second_session(tmp_path: Path) -> None:
    model = load(tmp_path).widened(SessionOptions())
    assert model.lone_session is None
    assert model.classify(photo("red"), 1, DecodeLimits(), alone=True).predictions
