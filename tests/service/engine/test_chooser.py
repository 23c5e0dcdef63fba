"""The best model that keeps the promise: by what is known of accuracy and of time."""

from pathlib import Path

import pytest

from service.engine.artifact import LoadedModel
from service.engine.benchmark import Benchmark
from service.engine.benchmarks import Benchmarks
from service.engine.chooser import Chooser, Promise, accuracy_of
from service.engine.host import describe_host
from service.engine.pipeline import StageTimes
from service.engine.repository import ModelRepository
from service.engine.session import SessionOptions
from service.errors import InvalidParameter, Overloaded
from tests.support.artifacts import edit_manifest, write_artifact

TIMES_MS = {"small": 2.0, "middle": 10.0, "large": 50.0}
TOP1 = {"small": 0.6, "middle": 0.7, "large": 0.9}


class Box:
    """Three models whose times are known, and a queue that a test makes up."""

    def __init__(self, folder: Path) -> None:
        for name in TIMES_MS:
            edit_manifest(write_artifact(folder, name), quality={"top1": TOP1[name]})
        write_artifact(folder, "fruits", labels=("apple", "pear", "plum"))
        self.repository = ModelRepository(folder, SessionOptions(), describe_host())
        self.repository.load_all()
        self.wait_ms = 0.0
        self.benchmarks = Benchmarks(self.repository, describe_host(), 1, lambda: False)
        for name, ms in TIMES_MS.items():
            self.benchmarks.forecast.expect(name, Benchmark(ms, ms, 8 * ms, None, 1000 / ms, 1))
        self.chooser = Chooser(self.repository, self.benchmarks, lambda: self.wait_ms)

    @property
    def default(self) -> LoadedModel:
        return self.repository.find("small").require()

    def choose(self, max_latency_ms: float, waited_ms: float = 0.0) -> tuple[str, str]:
        choice = self.chooser.choose(self.default, Promise(max_latency_ms), waited_ms)
        return choice.candidate.served.name, choice.reason


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


@pytest.mark.parametrize(
    ("max_latency_ms", "waited_ms", "chosen"),
    [
        (100.0, 0.0, ("large", "most accurate")),
        (100.0, 15.0, ("middle", "most accurate in time")),
        (100.0, 40.0, ("small", "most accurate in time")),
        (20.0, 0.0, ("middle", "most accurate in time")),
        (100.0, 90.0, ("small", "most accurate in time")),
        (100.0, 97.5, ("small", "fastest")),
    ],
)
def test_the_best_model_with_time_to_spare_answers(
    box: Box, max_latency_ms: float, waited_ms: float, chosen: tuple[str, str]
) -> None:
    assert box.choose(max_latency_ms, waited_ms) == chosen


def test_a_promise_that_cannot_be_kept_any_more_is_not_begun(box: Box) -> None:
    with pytest.raises(Overloaded):
        box.choose(100.0, 98.5)


def test_what_no_idle_box_could_keep_is_the_clients_mistake(box: Box) -> None:
    with pytest.raises(InvalidParameter, match=r"at least 2\.0"):
        box.chooser.admit(box.default, Promise(1.0))


def test_a_queue_behind_the_image_counts_as_well(box: Box) -> None:
    box.wait_ms = 15.0
    assert box.choose(100.0) == ("middle", "most accurate in time")


def test_an_idle_box_tries_what_the_forecast_doubts(box: Box) -> None:
    slow = StageTimes(decode=1.0, preprocess=1.0, inference=500.0)
    for name in TIMES_MS:
        for _ in range(16):
            box.benchmarks.forecast.observe(name, slow)
    box.chooser.admit(box.default, Promise(20.0))
    assert box.choose(20.0)[1] == "fastest"


def test_what_this_queue_cannot_keep_is_shed(box: Box) -> None:
    box.chooser.admit(box.default, Promise(10.0))
    box.wait_ms = 9.0
    with pytest.raises(Overloaded):
        box.chooser.admit(box.default, Promise(10.0))


def test_it_says_how_long_an_image_may_wait(box: Box) -> None:
    longest_ms = box.chooser.admit(box.default, Promise(10.0))
    assert longest_ms == pytest.approx(8.0)
    box.wait_ms = 7.9
    box.chooser.check_wait(longest_ms)
    box.wait_ms = 8.1
    with pytest.raises(Overloaded):
        box.chooser.check_wait(longest_ms)


def test_what_an_image_has_waited_already_counts_unless_nothing_is_to_do(box: Box) -> None:
    box.wait_ms = 4.0
    box.chooser.check_wait(8.0, 3.9)
    with pytest.raises(Overloaded):
        box.chooser.check_wait(8.0, 4.1)
    box.wait_ms = 0.0
    box.chooser.check_wait(8.0, 8.1)  # whether it is too late is for the choice to tell


def test_answers_that_come_late_make_it_cautious_for_a_while(box: Box) -> None:
    promise = Promise(100.0)
    box.wait_ms = 1.0
    assert box.chooser.admit(box.default, promise) == pytest.approx(98.0)
    box.chooser.learn(promise, 100.1)
    assert box.chooser.admit(box.default, promise) == pytest.approx(88.0)
    assert box.choose(100.0, 9.0) == ("middle", "most accurate in time")
    for _ in range(199):
        box.chooser.learn(promise, 99.9)
    assert box.chooser.admit(box.default, promise) == pytest.approx(98.0)
    assert box.choose(100.0, 9.0) == ("large", "most accurate")


def test_requests_that_find_no_queue_end_the_caution_soon(box: Box) -> None:
    promise = Promise(100.0)
    box.chooser.learn(promise, 100.1)
    longest_ms = [box.chooser.admit(box.default, promise) for _ in range(20)]
    assert longest_ms[0] == pytest.approx(89.0)
    assert longest_ms[-1] > 96.0


def test_caution_has_a_limit(box: Box) -> None:
    box.wait_ms = 1.0
    for _ in range(100):
        box.chooser.learn(Promise(100.0), 1e3)
    assert box.chooser.admit(box.default, Promise(100.0)) == pytest.approx(48.0)


def test_a_promise_that_was_broken_by_waiting_makes_it_cautious(box: Box) -> None:
    box.wait_ms = 1.0
    with pytest.raises(Overloaded):
        box.choose(100.0, 98.5)
    assert box.chooser.admit(box.default, Promise(100.0)) == pytest.approx(88.0)


def test_only_models_with_the_same_labels_are_candidates(box: Box) -> None:
    found = box.chooser.candidates(box.default, Promise(100.0))
    assert [candidate.served.name for candidate in found] == ["large", "middle", "small"]


def test_less_accurate_models_can_be_ruled_out(box: Box) -> None:
    found = box.chooser.candidates(box.default, Promise(100.0, 0.7))
    assert [candidate.served.name for candidate in found] == ["large", "middle"]
    with pytest.raises(InvalidParameter, match=r"the best has 0\.900"):
        box.chooser.candidates(box.default, Promise(100.0, 0.95))


def test_a_model_that_fails_is_no_candidate(box: Box) -> None:
    box.repository.find("large").set_aside()
    assert box.choose(100.0) == ("middle", "most accurate")


def test_accuracy_is_measured_or_published_or_follows_from_the_parents(tmp_path: Path) -> None:
    published = {"top1": 0.75, "source": "a paper"}
    cases: dict[str, dict[str, object]] = {
        "measured": {"top1": 0.7, "published": published},
        "published": {"published": published},
        "child": {"parent": "measured", "agreement": 0.9},
        "orphan": {"parent": "gone", "agreement": 0.8, "published": published},
        "unknown": {},
    }
    for name, quality in cases.items():
        edit_manifest(write_artifact(tmp_path, name), quality=quality)
    repository = ModelRepository(tmp_path, SessionOptions(), describe_host())
    repository.load_all()
    manifests = {m.name: m.require().manifest for m in repository.models}
    found = {name: accuracy_of(manifest, manifests) for name, manifest in manifests.items()}
    assert found == {
        "measured": 0.7,
        "published": 0.75,
        "child": pytest.approx(0.63),
        "orphan": pytest.approx(0.6),
        "unknown": None,
    }
