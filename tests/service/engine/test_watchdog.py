"""The watchdog's judgement of what is stuck, on a clock of the test's own."""

import asyncio
import threading

import pytest

from service.engine.watchdog import Pulse, Watchdog
from tests.support.waiting import wait_until


class Box:
    """What a watchdog looks at, and how it judged."""

    def __init__(self, limit_s: float) -> None:
        self.running: list[float] = []
        self.ended: list[str] = []
        self.dog = Watchdog(limit_s, {"A thread is": lambda: self.running}, self.ended.append)
        self.now = self.dog._looked_at

    def pass_time(self, seconds: float, step: float = 1.0) -> None:
        """Let time pass for the watchdog and for what runs."""
        for _ in range(round(seconds / step)):
            self.now += step
            self.running = [age + step for age in self.running]
            self.dog.look(self.now)


def test_what_runs_longer_than_the_limit_ends_the_process() -> None:
    box = Box(10.0)
    box.running = [0.0, 0.0]
    box.pass_time(10)
    assert box.ended == []
    box.pass_time(1)
    assert box.ended == ["A thread is stuck for 11 s: the process ends"]


def test_short_work_goes_on_for_ever() -> None:
    box = Box(10.0)
    for _ in range(20):
        box.running = [0.0]
        box.pass_time(9)
    box.running = []
    box.pass_time(50)
    assert box.ended == []


def test_time_in_which_the_whole_process_stood_still_does_not_count() -> None:
    box = Box(10.0)
    box.running = [3.0]
    box.pass_time(3600, step=3600)
    box.pass_time(9)
    assert box.ended == []
    box.pass_time(2)
    assert len(box.ended) == 1


def test_the_watchdog_looks_by_itself_until_it_is_closed() -> None:
    ended = threading.Event()
    dog = Watchdog(0.01, {"It is": lambda: [9.0]}, lambda _: ended.set())
    dog.start()
    assert ended.wait(30)
    dog.close()
    off = Watchdog(0.0, {"It is": lambda: [9.0]}, lambda _: pytest.fail("it is off"))
    off.start()
    off.close()


def test_a_loop_that_gives_no_sign_is_noticed() -> None:
    loop = asyncio.new_event_loop()
    gate = threading.Event()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    pulse = Pulse(loop)
    try:
        assert pulse.running_s() == []
        wait_until(lambda: pulse.running_s() == [], "the loop gives a sign")
        loop.call_soon_threadsafe(gate.wait)
        wait_until(lambda: max(pulse.running_s(), default=0.0) > 0.02, "it is missed")
        gate.set()
        wait_until(lambda: pulse.running_s() == [], "the loop gives a sign again")
    finally:
        gate.set()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()
