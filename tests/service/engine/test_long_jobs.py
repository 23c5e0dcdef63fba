"""Jobs that take long are put aside, so that one worker thread is left to the others."""

import threading
from collections.abc import Callable

import pytest

from service.engine.effort import begin_long
from service.errors import Overloaded
from tests.support.crew import NEVER, Crew
from tests.support.waiting import wait_until


def long_job(crew: Crew, begun: threading.Semaphore) -> Callable[[float], str]:
    """Return work that says that it takes long, and then waits at the gate."""

    def work(_queued_ms: float) -> str:
        begin_long()
        begun.release()
        crew.wait(0.0)
        return threading.current_thread().name

    return work


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_what_takes_long_leaves_one_thread_to_the_others(threads: int) -> None:
    crew, begun = Crew(threads, 9), threading.Semaphore(0)
    jobs = [crew.pool.submit(long_job(crew, begun), NEVER) for _ in range(threads + 2)]
    for _ in range(threads):
        assert begun.acquire(timeout=30)
    assert crew.pool.submit(lambda q: crew.note("short", q), NEVER).result(30) == "short"
    assert not begun.acquire(blocking=False)
    crew.gate.set()
    names = [job.result(30) for job in jobs]
    assert names.count("worker-long") >= 3
    crew.pool.close()
    assert (crew.pool.in_flight, crew.pool.wait_ms()) == (0, 0)


def test_what_waits_for_the_long_thread_delays_no_other() -> None:
    crew, begun = Crew(1, 9), threading.Semaphore(0)
    jobs = [crew.pool.submit(long_job(crew, begun), NEVER) for _ in range(4)]
    assert begun.acquire(timeout=30)
    wait_until(lambda: crew.pool.wait_ms() == 0, "all of them are put aside")
    assert crew.pool.in_flight == 4
    assert jobs[-1].cancel()
    assert crew.pool.in_flight == 3
    crew.gate.set()
    assert [job.result(30) for job in jobs[:3]] == ["worker-long"] * 3
    crew.pool.close()


def test_half_of_the_places_are_for_what_takes_long() -> None:
    crew, begun = Crew(1, 5), threading.Semaphore(0)
    jobs = [crew.pool.submit(long_job(crew, begun), NEVER)]
    assert begun.acquire(timeout=30)
    jobs += [crew.pool.submit(long_job(crew, begun), NEVER) for _ in range(4)]
    with pytest.raises(Overloaded):
        jobs[-1].result(30)
    crew.gate.set()
    assert [job.result(30) for job in jobs[:-1]] == ["worker-long"] * 4
    crew.pool.close()


def test_closing_finishes_what_was_put_aside() -> None:
    crew, begun = Crew(1, 5), threading.Semaphore(0)
    jobs = [crew.pool.submit(long_job(crew, begun), NEVER) for _ in range(3)]
    assert begun.acquire(timeout=30)
    assert not crew.pool.close(0.01)
    crew.gate.set()
    assert crew.pool.close(30)
    assert [job.result(0) for job in jobs] == ["worker-long"] * 3
