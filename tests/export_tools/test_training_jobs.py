"""From a folder of photos to models: train, finetune, prune, distil, int8 on the same photos."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from export_tools.draft import Draft
from export_tools.errors import DataError, WeightsError
from export_tools.gates import Int8Gates
from export_tools.int8 import QUICK
from export_tools.publish import publish
from export_tools.training.artifact import build_trained
from export_tools.training.class_folders import Photos, find_photos
from export_tools.training.distil import Softening
from export_tools.training.finetune import Plan
from export_tools.training.jobs import Job, distil_job, finetune_job, train_job
from export_tools.training.loop import Progress, Schedule, Tell
from export_tools.training.own_int8 import quantize_on
from export_tools.training.prune_job import PruneWish, prune_job
from export_tools.training.start import Wanted
from export_tools.training.trained import NET_FILE, load_trained
from export_tools.training.widths import parse_shapes
from service.engine.artifact import load_artifact
from service.engine.session import SessionOptions
from service.errors import GateFailed
from tests.export_tools.training_support import write_photos

SMALL = Wanted(architecture="lightweight_cnn", labels=(), input_size=24, command="typed")
QUICKLY = Schedule(epochs=12, batch=8, rate=0.05)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("photos") / "colours", each=10)


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("states")


@pytest.fixture(scope="module")
def trained(photos: Path, states: Path) -> Draft:
    job = Job(name="colours", data=photos, folder=states, rounds=3)
    return train_job(job, SMALL, QUICKLY).result.draft


def test_a_trained_net_is_served(trained: Draft, tmp_path: Path) -> None:
    folder = publish(trained, tmp_path)
    loaded = load_artifact(folder, SessionOptions())
    assert loaded.labels == ("blue", "red")
    assert loaded.manifest.quality.top1 == 1.0
    assert loaded.manifest.quality.dataset == "4 photos of colours"
    assert loaded.manifest.provenance.command == "typed"
    assert "trained on 16 photos of colours" in loaded.manifest.provenance.weights_source


def test_int8_is_calibrated_and_compared_on_the_same_photos(trained: Draft, photos: Path) -> None:
    gates = Int8Gates(bytes_per_weight=4.0, speedup=0.0)  # the net is tiny
    made = quantize_on(trained, "c-int8", photos, lambda _: None, effort=QUICK, gates=gates)
    manifest = made.draft.manifest
    assert manifest.precision == "int8"
    assert manifest.quality.top1 == 1.0
    assert manifest.quality.agreement_images == 180
    assert manifest.compression[0].settings["calibration_photos"] == "colours"
    assert manifest.provenance.command == (
        "typed && featherbox-export quantize colours --data colours"
    )
    strict = replace(gates, views=1000)
    with pytest.raises(GateFailed, match="only 180 views"):
        quantize_on(trained, "c-int8", photos, lambda _: None, effort=QUICK, gates=strict)


def test_a_pruned_net_is_made_again_from_its_file(
    trained: Draft, photos: Path, states: Path
) -> None:
    job = Job(name="colours-pruned", data=photos, folder=states, rounds=3)
    original = load_trained(states / "colours" / NET_FILE)
    wish = PruneWish(
        macs=0.6, steps=2, by_sensitivity=True, multiple=1, tuning=replace(QUICKLY, epochs=3)
    )
    outcome = prune_job(job, original, wish, "colours", "typed too")
    manifest = outcome.finished.result.draft.manifest
    assert outcome.macs_before == trained.manifest.macs
    assert manifest.macs is not None
    assert manifest.macs <= 0.6 * outcome.macs_before
    assert outcome.finished.right is not None
    assert outcome.finished.right.top1 == 4
    widths = str(manifest.compression[0].settings["widths"])
    inputs, outputs = parse_shapes(widths)["pointwise"]
    assert inputs == 3
    assert 0.5 * 32 > outputs > 0.4 * 32  # no further than the goal asks for
    again = load_trained(states / "colours-pruned" / NET_FILE)
    assert again.shapes == widths
    assert again.steps == tuple(manifest.compression)
    pointwise = again.net.get_submodule("pointwise")
    assert isinstance(pointwise, nn.Conv2d)
    assert pointwise.out_channels == outputs


def test_a_student_learns_from_a_model_without_classes(
    trained: Draft, photos: Path, states: Path, tmp_path: Path
) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in photos.glob("*/*.png"):
        (flat / f"{path.parent.name}{path.name}").write_bytes(path.read_bytes())
    job = Job(name="student", data=flat, folder=states, seed=1, rounds=3)
    finished = distil_job(job, SMALL, trained, Softening(2.0), QUICKLY, scratch=True)
    assert finished.right is None
    manifest = finished.result.draft.manifest
    assert finished.result.draft.labels == ("blue", "red")
    assert manifest.compression[0].settings["teacher"] == "colours"
    assert manifest.compression[0].settings["alpha"] == 1.0


class Killed(Exception):
    pass


def stop_at(phase: str, step: int) -> Callable[[str], Tell]:
    """Make bars that end the run at a step of a phase."""

    def bar(name: str) -> Tell:
        def tell(progress: Progress) -> None:
            if name == phase and progress.step == step:
                raise Killed

        return tell

    return bar


def test_a_new_head_on_pretrained_weights(photos: Path, tmp_path: Path) -> None:
    wanted = Wanted(architecture="squeezenet1_1", labels=(), input_size=48, command="typed")
    plan = Plan(
        views=2,
        head=Schedule(epochs=6, batch=8, rate=3e-3),
        whole=Schedule(epochs=2, batch=8, rate=1e-4),
    )
    job = Job(name="mine", data=photos, folder=tmp_path / "broken", rounds=3)
    with pytest.raises(Killed):
        finetune_job(replace(job, bar=stop_at("all weights", 3)), wanted, plan)
    seen: list[str] = []

    def note(name: str) -> Tell:
        seen.append(name)
        return lambda _: None

    finished = finetune_job(replace(job, bar=note), wanted, plan)
    assert seen == ["all weights"]  # the head was learnt before the kill
    assert finished.right is not None
    assert finished.right.top1 == 4
    whole = replace(job, folder=tmp_path / "unbroken")
    finetune_job(whole, wanted, plan)
    states = (load_trained(j.folder / "mine" / NET_FILE).net.state_dict() for j in (job, whole))
    for broken, unbroken in zip(*(state.values() for state in states), strict=True):
        assert torch.equal(broken, unbroken)
    with pytest.raises(DataError, match="other settings"):
        finetune_job(job, wanted, replace(plan, views=3))


def test_files_that_are_no_nets_are_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no trained net"):
        load_trained(tmp_path / NET_FILE)
    (tmp_path / NET_FILE).write_bytes(json.dumps({}).encode())
    with pytest.raises(WeightsError, match="is not a net"):
        load_trained(tmp_path / NET_FILE)


def test_a_net_that_is_right_about_nothing_is_not_published(
    trained: Draft, photos: Path, states: Path
) -> None:
    net = load_trained(states / trained.manifest.name / NET_FILE)
    test = Photos(find_photos(photos).test, net.input, 0)
    assert test.labels is not None
    test.labels = 1 - test.labels
    with pytest.raises(GateFailed, match="train longer"):
        build_trained(net, "wrong", test, "photos", lambda _: None, 3)
