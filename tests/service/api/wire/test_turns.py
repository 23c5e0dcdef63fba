"""Under overload the event loop waits for its turn, and no longer than that."""

import asyncio
import os
import time

import pytest

from service.api.wire import turns
from service.api.wire.turns import Turns
from tests.support.loops import on_a_loop
from tests.support.server import LiveServer


async def until(policy: int) -> None:
    while os.sched_getscheduler(0) != policy:
        await asyncio.sleep(0)


def test_the_loop_is_patient_until_nothing_was_refused_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "_CALM_AFTER_S", 0.05)

    async def refuse() -> None:
        shared = Turns()
        for _ in range(2):  # it can happen again
            shared.overloaded(time.monotonic())
            assert os.sched_getscheduler(0) == os.SCHED_BATCH
            shared.overloaded(last := time.monotonic())
            await until(os.SCHED_OTHER)
            assert time.monotonic() - last >= 0.05

    on_a_loop(refuse)


def test_a_sandbox_that_forbids_it_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_arguments: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", forbidden)

    async def refuse() -> None:
        Turns().overloaded(time.monotonic())
        assert os.sched_getscheduler(0) == os.SCHED_OTHER

    on_a_loop(refuse)


def test_another_policy_is_whoever_set_its_business() -> None:
    async def refuse() -> None:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        Turns().overloaded(time.monotonic())
        assert os.sched_getscheduler(0) == os.SCHED_IDLE

    on_a_loop(refuse)


def test_the_workers_are_not_concerned(server: LiveServer) -> None:
    job = server.context.pool.submit(lambda _: os.sched_getscheduler(0), float("inf"))
    assert job.result(30) == os.SCHED_OTHER
