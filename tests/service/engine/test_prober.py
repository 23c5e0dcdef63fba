"""Live probes: one at a time, never an old answer, never in the way of images."""

import threading
from dataclasses import replace

import pytest

from service.engine import prober
from service.engine.artifact import LoadedModel, load_artifact
from service.engine.prober import Prober
from service.engine.session import SessionOptions
from tests.support.artifacts import write_artifact
from tests.support.sessions import BrokenSession, FlakySession, GatedSession


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_artifact(write_artifact(tmp_path_factory.mktemp("models")), SessionOptions())


def test_a_probe_is_an_inference(model: LoadedModel) -> None:
    flaky = FlakySession(model.session)
    sick = replace(model, session=flaky)
    assert Prober().probe(sick).answered.result(30)
    flaky.failing = True
    assert not Prober().probe(sick).answered.result(30)


def test_a_bug_in_a_session_is_a_failed_probe(model: LoadedModel) -> None:
    broken = replace(model, session=BrokenSession(RuntimeError("a bug")))
    assert not Prober().probe(broken).answered.result(30)


def test_probes_of_a_stuck_model_do_not_pile_up(model: LoadedModel) -> None:
    gated = GatedSession(model.session)
    stuck = replace(model, session=gated)
    probing = Prober()
    threads = threading.active_count()
    probes = {id(probing.probe(stuck)) for _ in range(50)}
    assert len(probes) == 1
    assert threading.active_count() == threads + 1
    assert len(probing.running_s()) == 1
    gated.gate.set()
    assert probing.probe(stuck).answered.result(30)
    assert gated.runs == 1
    assert probing.running_s() == []


def test_an_answer_that_is_not_young_is_not_given_again(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    probing = Prober()
    first = probing.probe(model)
    assert first.answered.result(30)
    monkeypatch.setattr(prober, "_YOUNG_S", 0.0)
    assert probing.probe(model) is not first


def test_the_answer_of_another_version_is_not_given(model: LoadedModel) -> None:
    probing = Prober()
    assert probing.probe(model).answered.result(30)
    sick = replace(model, session=BrokenSession(RuntimeError("a bug")))
    assert not probing.probe(sick).answered.result(30)
