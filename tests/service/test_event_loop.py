"""The event loop's thread does not interrupt an inference; the workers run as ever."""

import os
import threading

import pytest

from service.app import _prefer_workers
from tests.support.server import LiveServer


def policy_of_a_loop() -> int:
    """Return the policy of a thread that prefers workers."""
    found: list[int] = []

    def run() -> None:
        _prefer_workers()
        found.append(os.sched_getscheduler(0))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    return found[0]


def test_the_loop_waits_for_its_turn() -> None:
    assert policy_of_a_loop() == os.SCHED_BATCH


def test_a_sandbox_that_forbids_it_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_arguments: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", forbidden)
    assert policy_of_a_loop() == os.SCHED_OTHER


def test_the_workers_are_not_concerned(server: LiveServer) -> None:
    job = server.context.pool.submit(lambda _: os.sched_getscheduler(0), float("inf"))
    assert job.result(30) == os.SCHED_OTHER
