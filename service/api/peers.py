"""The other processes of the service: what they have counted and how their models are.

With one process there are none, and nothing is written or read.
"""

import asyncio
import logging

from service.api.board import Board, Notice
from service.api.ledger import Ledger
from service.api.metrics import Metrics
from service.engine.latency import Slices
from service.engine.repository import ModelRepository, ModelState

_WRITE_EVERY_S = 0.25
logger = logging.getLogger("featherbox")

# States from good to bad: a model is as well as it is in the process that has it worst.
_WORSE = (ModelState.READY, ModelState.LOADING, ModelState.FAILED)


class Peers:
    """This process beside the others of the service, on the event loop's thread."""

    def __init__(
        self, board: Board | None, ledger: Ledger, metrics: Metrics, repository: ModelRepository
    ) -> None:
        self._board = board
        self._ledger = ledger
        self._metrics = metrics
        self._repository = repository

    def refresh(self) -> list[Notice]:
        """Settle what is open here, tell the others, and return what they have told.

        Whoever answers next, for whichever process, sees at least what is seen now.
        """
        self._ledger.settle()
        if self._board is None:
            return []
        self._write(self._board)
        try:
            return self._board.read_others()
        except OSError as error:
            logger.warning("the other workers cannot be read of: %s", error.strerror)
            return []

    async def keep_telling(self) -> None:
        """Tell the others what is new a few times a second, until cancelled."""
        while self._board is not None:
            self._ledger.settle()
            self._write(self._board)
            await asyncio.sleep(_WRITE_EVERY_S)

    def _write(self, board: Board) -> None:
        models = self._repository.models
        try:
            board.write(
                self._metrics.families(),
                {model.name: model.window.slices() for model in models},
                {model.name: (str(model.version), model.state) for model in models},
            )
        except OSError as error:
            logger.warning("the other workers cannot be told: %s", error.strerror)


def windows_of(others: list[Notice], name: str) -> list[Slices]:
    """Return the latency windows of a model in the other processes."""
    return [notice.windows.get(name, []) for notice in others if notice.alive]


def worst_state(own: ModelState, others: list[Notice], name: str) -> ModelState:
    """Return the state of a model in the process that has it worst."""
    told = (ModelState(n.models[name][1]) for n in others if n.alive and name in n.models)
    return max((own, *told), key=_WORSE.index)
