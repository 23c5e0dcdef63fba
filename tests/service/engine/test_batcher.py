"""Micro-batching over real sessions: who shares a run, who waits for whom, and who never waits."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.reliability.files import graphs
from service.engine.artifact import LoadedModel, load_artifact
from service.engine.batcher import Batcher, Seat, make_batcher
from service.engine.decode import DecodeLimits
from service.engine.inference import infer_planes
from service.engine.session import OrtSession, Session, SessionOptions
from service.errors import DamagedImage, ModelFailed
from tests.support.artifacts import write_artifact
from tests.support.images import photo
from tests.support.sessions import BrokenSession, GatedSession

LONG_S = 30.0
NEVER_S = 10 * LONG_S  # a delay that no test would outlast
LIMITS = DecodeLimits()


class BatchNoting:
    """Runs another session and notes how many images each run had."""

    def __init__(self, inner: Session) -> None:
        self.providers = inner.providers
        self.sizes: list[int] = []
        self._inner = inner

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.sizes.append(len(images))
        return self._inner.run(images)


class FailsTogether:
    """Runs one image, and fails at more, as for want of memory."""

    def __init__(self, inner: Session) -> None:
        self.providers = inner.providers
        self._inner = inner

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        if len(images) > 1:
            raise ModelFailed("The model failed while it was run.")
        return self._inner.run(images)


@pytest.fixture
def session() -> BatchNoting:
    return BatchNoting(OrtSession(graphs.colour_graph().SerializeToString(), SessionOptions()))


def planes_of(colour: int) -> NDArray[np.uint8]:
    """Return a picture of which the session says `colour`."""
    planes = np.zeros((1, 3, graphs.HEIGHT, graphs.WIDTH), np.uint8)
    planes[0, colour] = 255
    return planes


def colour_of(probabilities: NDArray[np.float32]) -> int:
    assert probabilities.shape == (1, 3)
    return int(probabilities.argmax())


class Image:
    """An image on a thread of its own: announced at once, ready when `decoded` is set."""

    def __init__(self, pool: ThreadPoolExecutor, batcher: Batcher, colour: int) -> None:
        self.decoded, self._announced = threading.Event(), threading.Event()
        self.seat: Seat
        self.found: Future[int] = pool.submit(self._run, batcher, colour)
        assert self._announced.wait(LONG_S)

    def _run(self, batcher: Batcher, colour: int) -> int:
        with batcher.seat() as self.seat:
            self._announced.set()
            assert self.decoded.wait(LONG_S)
            return colour_of(self.seat.run(planes_of(colour)))


@contextmanager
def images(batcher: Batcher, *colours: int) -> Iterator[list[Image]]:
    with ThreadPoolExecutor(len(colours)) as pool:
        yield [Image(pool, batcher, colour) for colour in colours]


def test_images_in_work_at_once_share_a_run_and_each_gets_its_own_answer(
    session: BatchNoting,
) -> None:
    with images(Batcher(session, 8, NEVER_S), 0, 1, 2, 1) as some:
        for image in some:
            image.decoded.set()
        assert [image.found.result(LONG_S) for image in some] == [0, 1, 2, 1]
    assert session.sizes == [4], "whoever is ready waits for those that are being decoded"


def test_a_lone_image_runs_at_once(session: BatchNoting) -> None:
    batcher = Batcher(session, 8, NEVER_S)
    with images(batcher, 2) as (image,):
        image.decoded.set()
        assert image.found.result(LONG_S) == 2
    assert session.sizes == [1]


def test_a_full_batch_runs_while_others_are_still_decoded(session: BatchNoting) -> None:
    with images(Batcher(session, 2, NEVER_S), 0, 1, 2) as (first, second, third):
        first.decoded.set()
        second.decoded.set()
        assert [first.found.result(LONG_S), second.found.result(LONG_S)] == [0, 1]
        third.decoded.set()
        assert third.found.result(LONG_S) == 2
    assert session.sizes == [2, 1]


def test_nobody_waits_longer_than_the_delay(session: BatchNoting) -> None:
    with images(Batcher(session, 8, 0.001), 0, 1) as (quick, slow):
        quick.decoded.set()
        assert quick.found.result(LONG_S) == 0, "the other is not ready yet"
        slow.decoded.set()
        assert slow.found.result(LONG_S) == 1
    assert session.sizes == [1, 1]


def test_an_image_that_cannot_be_decoded_holds_up_nobody(session: BatchNoting) -> None:
    batcher = Batcher(session, 8, NEVER_S)

    def decode_in_vain() -> None:
        with batcher.seat():
            raise DamagedImage("The image is damaged.")

    with images(batcher, 1) as (image,):
        with pytest.raises(DamagedImage):
            decode_in_vain()
        image.decoded.set()
        assert image.found.result(LONG_S) == 1
    assert session.sizes == [1]


def test_what_fails_together_is_run_one_by_one(session: BatchNoting) -> None:
    with images(Batcher(FailsTogether(session), 8, NEVER_S), 2, 0) as some:
        for image in some:
            image.decoded.set()
        assert [image.found.result(LONG_S) for image in some] == [2, 0]
    assert session.sizes == [1, 1]


def test_a_model_that_fails_fails_each_of_its_images() -> None:
    broken = BrokenSession(ModelFailed("The model failed while it was run."))
    with images(Batcher(broken, 8, NEVER_S), 0, 1) as some:
        for image in some:
            image.decoded.set()
        assert [type(image.found.exception(LONG_S)) for image in some] == [ModelFailed] * 2


def test_a_model_that_is_held_up_holds_up_no_other(session: BatchNoting) -> None:
    gated = GatedSession(session)
    with images(Batcher(gated, 8, NEVER_S), 0, 1) as held:
        for image in held:
            image.decoded.set()
        gated.wait_for_runs(1)
        with images(Batcher(session, 8, NEVER_S), 2) as (other,):
            other.decoded.set()
            assert other.found.result(LONG_S) == 2
        gated.gate.set()
        assert [image.found.result(LONG_S) for image in held] == [0, 1]


@pytest.mark.parametrize(
    ("provider", "max_batch", "most"),
    [("CPUExecutionProvider", 0, None), ("CPUExecutionProvider", 1, None),
     ("CPUExecutionProvider", 4, 4), ("CUDAExecutionProvider", 0, 8),
     ("CUDAExecutionProvider", 1, None)],
)  # fmt: skip
def test_batching_is_off_on_the_cpu_unless_asked_for(
    session: BatchNoting, provider: str, max_batch: int, most: int | None
) -> None:
    session.providers = (provider,)
    batcher = make_batcher(session, max_batch, 0.002)
    assert (batcher.max_batch if batcher else None) == most


@pytest.fixture
def model(tmp_path: Path) -> LoadedModel:
    options = SessionOptions(max_batch=4, max_delay_ms=NEVER_S * 1e3)
    return load_artifact(write_artifact(tmp_path), options)


@pytest.mark.parametrize("way", ["classify", "infer_planes"])
def test_a_model_answers_with_a_batcher_as_without(model: LoadedModel, way: str) -> None:
    policy = model.manifest.input
    planes = np.zeros((1, 3, policy.height, policy.width), np.uint8)
    ways: dict[str, Callable[[LoadedModel], object]] = {
        "classify": lambda m: m.classify(photo("green"), 3, LIMITS).predictions,
        "infer_planes": lambda m: infer_planes(m, planes).probabilities.tolist(),
    }
    assert model.batcher is not None
    assert ways[way](model) == ways[way](replace(model, batcher=None))


def test_the_wait_for_others_counts_as_queue(model: LoadedModel) -> None:
    batcher = Batcher(model.session, 4, 0.05)
    with batcher.seat():  # of an image whose decoding takes longer
        result = replace(model, batcher=batcher).classify(photo("red"), 1, LIMITS)
    assert result.times.queue >= 50
    assert result.times.inference >= 0


def test_a_lone_session_is_asked_past_the_batcher(model: LoadedModel) -> None:
    lone = BatchNoting(model.session)
    batcher = Batcher(BrokenSession(AssertionError()), 4, NEVER_S)
    model = replace(model, lone_session=lone, batcher=batcher)
    assert model.classify(photo("red"), 1, LIMITS, alone=True).predictions
    assert lone.sizes == [1]
