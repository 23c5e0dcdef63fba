"""The bounded pool: admission, deadlines, cancellation, closing."""

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from service.engine.workers import WorkerPool
from service.errors import DamagedImage, DeadlineExceeded, NotReady, Overloaded
from tests.support.crew import NEVER, Crew
from tests.support.waiting import wait_until

PAST = 0.0


@pytest.fixture
def crew() -> Iterator[Crew]:
    crew = Crew(threads=2, queue_per_thread=2)
    yield crew
    crew.gate.set()
    crew.pool.close()


def test_a_job_gives_its_result(crew: Crew) -> None:
    assert crew.pool.submit(lambda _: 42, NEVER).result(30) == 42


def test_a_job_gives_its_error_and_frees_its_place(crew: Crew) -> None:
    for _ in range(3 * crew.pool.capacity):
        with pytest.raises(ZeroDivisionError):
            crew.pool.submit(lambda _: 1 / 0, NEVER).result(30)
    wait_until(lambda: crew.pool.in_flight == 0, "all places are free")


def test_the_pool_admits_exactly_what_it_has_places_for(crew: Crew) -> None:
    assert crew.pool.capacity == 6
    accepted, refused = 0, 0
    for _ in range(10):
        try:
            crew.pool.submit(crew.wait, NEVER)
            accepted += 1
        except Overloaded:
            refused += 1
    assert (accepted, refused) == (6, 4)
    assert (crew.pool.in_flight, crew.pool.waiting) == (6, 4)


def test_room_is_refused_before_anything_is_queued(crew: Crew) -> None:
    crew.occupy()
    for _ in range(4):
        crew.pool.check_room()
        crew.pool.submit(crew.wait, NEVER)
    with pytest.raises(Overloaded):
        crew.pool.check_room()


def test_each_lane_has_places_of_its_own(crew: Crew) -> None:
    crew.occupy()
    for _ in range(crew.pool.capacity):
        crew.pool.submit(crew.wait, NEVER, lane="full")
    with pytest.raises(Overloaded):
        crew.pool.submit(crew.wait, NEVER, lane="full")
    crew.pool.check_room("other")
    crew.pool.submit(crew.wait, NEVER, lane="other")
    assert crew.pool.in_flight == 2 + crew.pool.capacity + 1
    assert [crew.pool.in_flight_of(lane) for lane in ("full", "other", "none")] == [6, 1, 0]


def test_lanes_are_served_in_turn() -> None:
    crew = Crew(threads=1, queue_per_thread=9)
    crew.occupy()
    jobs = [crew.pool.submit(lambda q: crew.note("long", q), NEVER, lane="a") for _ in range(4)]
    jobs += [crew.pool.submit(lambda q: crew.note("short", q), NEVER, lane="b") for _ in range(2)]
    crew.gate.set()
    for job in jobs:
        job.result(30)
    assert crew.ran == ["long", "short", "long", "short", "long", "long"]
    crew.pool.close()


def test_jobs_of_a_lane_are_done_in_their_order(crew: Crew) -> None:
    def numbered(number: int) -> Callable[[float], int]:
        return lambda _: number

    jobs = [crew.pool.submit(numbered(i), NEVER) for i in range(6)]
    assert [job.result(30) for job in jobs] == list(range(6))


def test_a_job_whose_deadline_passed_while_it_waited_does_no_work(crew: Crew) -> None:
    crew.occupy()
    late = crew.pool.submit(lambda q: crew.note("late", q), PAST)
    crew.gate.set()
    with pytest.raises(DeadlineExceeded):
        late.result(30)
    assert crew.ran == []
    wait_until(lambda: crew.pool.in_flight == 0, "all places are free")


def test_a_failed_job_keeps_its_image_no_longer_than_its_error(crew: Crew) -> None:
    class Image:
        """Stands for a body of many bytes."""

    kept: list[weakref.ref[Image]] = []

    def work(_queued_ms: float) -> None:
        image = Image()
        kept.append(weakref.ref(image))
        raise DamagedImage("cut short")

    gc.disable()
    try:
        job = crew.pool.submit(work, NEVER)
        with suppress(DamagedImage):
            job.result(30)
        del job
        wait_until(lambda: kept[0]() is None, "the image is let go of", timeout_s=5)
    finally:
        gc.enable()


def test_an_idle_thread_keeps_no_job(crew: Crew) -> None:
    class Work:
        """Stands for a closure over a body of many bytes."""

        def __call__(self, _queued_ms: float) -> "Work":
            return self

    work = Work()
    kept = weakref.ref(work)
    assert crew.pool.submit(work, NEVER).result(30) is work
    del work
    wait_until(lambda: kept() is None, "the work and its result are let go of", timeout_s=5)


def test_a_cancelled_job_does_no_work_and_frees_its_place(crew: Crew) -> None:
    crew.occupy()
    dropped = crew.pool.submit(lambda q: crew.note("dropped", q), NEVER)
    assert dropped.cancel()
    assert crew.pool.in_flight == 2
    crew.gate.set()
    assert crew.pool.submit(lambda q: crew.note("next", q), NEVER).result(30) == "next"
    assert crew.ran == ["next"]


def test_a_cancelled_job_is_let_go_of_while_all_threads_are_busy(crew: Crew) -> None:
    class Job:
        """Stands for a closure over a body of many bytes."""

        def __call__(self, _queued_ms: float) -> None:
            raise AssertionError("it was cancelled")

    crew.occupy()
    job = Job()
    kept = weakref.ref(job)
    crew.pool.submit(job, NEVER).cancel()
    del job
    assert kept() is None


def test_a_job_learns_how_long_it_waited(crew: Crew) -> None:
    crew.occupy()
    before = time.monotonic()
    future = crew.pool.submit(lambda queued_ms: queued_ms, NEVER)
    after = time.monotonic()
    wait_until(lambda: time.monotonic() - after > 0.02, "time has passed")
    crew.gate.set()
    waited_ms = future.result(30)
    assert 20 <= waited_ms <= (time.monotonic() - before) * 1e3


def test_the_longer_the_queue_and_the_work_the_later_to_come_back() -> None:
    crew = Crew(threads=1, queue_per_thread=0)
    try:
        crew.occupy()
        with pytest.raises(Overloaded) as caught:
            crew.pool.check_room()
        assert caught.value.retry_after_s == 1
        crew.pool._service_s = 5.2
        with pytest.raises(Overloaded) as caught:
            crew.pool.check_room()
        assert caught.value.retry_after_s == 6
    finally:
        crew.gate.set()
        crew.pool.close()


def test_closing_waits_for_what_was_admitted_and_refuses_more() -> None:
    crew = Crew(threads=1, queue_per_thread=5)
    crew.occupy()
    futures = [crew.pool.submit(lambda q: crew.note("admitted", q), NEVER) for _ in range(3)]
    closing = threading.Thread(target=crew.pool.close)
    closing.start()
    crew.gate.set()
    closing.join(30)
    assert [future.result(0) for future in futures] == ["admitted"] * 3
    with pytest.raises(NotReady):
        crew.pool.submit(lambda q: crew.note("late", q), NEVER)
    assert crew.pool.in_flight == 0


def test_no_place_is_lost_under_many_threads() -> None:
    pool = WorkerPool(2, 3)
    outcomes: list[str] = []

    def hammer() -> None:
        for _ in range(200):
            try:
                pool.submit(lambda _: None, NEVER).result(30)
                outcomes.append("done")
            except Overloaded:
                outcomes.append("refused")

    threads = [threading.Thread(target=hammer) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 1200
    wait_until(lambda: pool.in_flight == 0, "all places are free")
    pool.close()


def test_a_pool_knows_how_long_its_threads_have_been_at_work(crew: Crew) -> None:
    assert crew.pool.running_s() == []
    crew.occupy()
    wait_until(lambda: min(crew.pool.running_s()) > 0.01, "time has passed")
    assert len(crew.pool.running_s()) == 2
    crew.gate.set()
    wait_until(lambda: crew.pool.running_s() == [], "the threads are idle")


def test_what_was_not_done_says_nothing_of_how_long_work_takes(crew: Crew) -> None:
    def refuse(_queued_ms: float) -> None:
        raise Overloaded("not now", 1)

    before = crew.pool._service_s
    for _ in range(20):
        with pytest.raises(Overloaded):
            crew.pool.submit(refuse, NEVER).result(30)
        with pytest.raises(DeadlineExceeded):
            crew.pool.submit(lambda q: crew.note("late", q), PAST).result(30)
    crew.pool.close()
    assert crew.pool._service_s == before


def test_closing_leaves_a_stuck_thread_behind() -> None:
    crew = Crew(threads=2, queue_per_thread=1)
    crew.occupy()
    assert not crew.pool.close(0.01)
    crew.gate.set()
    assert crew.pool.close(30)
