"""What all connections share: refusals are sent at once, and together where there are very many."""

import asyncio

import pytest

from service.api.wire import front
from service.api.wire.front import Front
from service.errors import Overloaded
from tests.support.loops import on_a_loop
from tests.support.server import LiveServer

ERROR = Overloaded("full", 1)


class Asked:
    """A request that only counts what it is told."""

    def __init__(self) -> None:
        self.told = 0

    def refuse(self, _error: Exception) -> None:
        self.told += 1


def test_a_few_are_refused_at_once(server: LiveServer) -> None:
    async def refuse_some() -> None:
        shared, asked = Front(server.context), Asked()
        for told in range(1, 11):
            shared.refuse_soon(asked, ERROR)
            assert asked.told == told

    on_a_loop(refuse_some)


def test_whoever_has_much_to_send_is_refused_in_a_moment(server: LiveServer) -> None:
    async def refuse_one() -> None:
        shared, asked = Front(server.context), Asked()
        shared.refuse_soon(asked, ERROR, now=False)
        assert asked.told == 0
        while not asked.told:
            await asyncio.sleep(0)

    on_a_loop(refuse_one)


def test_very_many_are_refused_together(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front, "_MOST_REFUSALS_A_JOB", 0)
    shared, asked = Front(server.context), Asked()

    async def refuse_all() -> None:
        for _ in range(3):
            shared.refuse_soon(asked, ERROR)
        assert asked.told == 0
        while asked.told < 3:
            await asyncio.sleep(0)

    on_a_loop(refuse_all)
