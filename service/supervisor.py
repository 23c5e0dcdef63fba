"""Several processes behind one port: uvicorn's supervisor, each worker with an app of its own.

A worker that crashes, or is stuck so that it answers no ping, is replaced; SIGHUP is passed on, so
that each worker looks into the model repository. SIGTERM stops all of them, each as it would
stop alone.
"""

import contextlib
import ctypes
import logging
import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn, cast

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

from service.api.board import Board, board_folder
from service.app import create_app
from service.errors import FeatherboxError
from service.logs import configure_logging
from service.server import server_config
from service.settings import Settings

_PING_WITHIN_S = 30  # a new worker imports a lot before it answers
_PR_SET_PDEATHSIG = 1  # of prctl(2)
# Workers end by themselves; this is for one whose stuck thread does not let it.
_END_WITHIN_S = 5.0
_DIES_WITHIN_S = 1.0

logger = logging.getLogger("featherbox")


class _WorkerConfig(uvicorn.Config):
    """What is handed to a worker: settings. The worker makes its app of them once it runs."""

    def __init__(self, settings: Settings, board: Path) -> None:
        super().__init__(
            "service.app:create_app",
            host=settings.host,
            port=settings.port,
            workers=settings.workers,
            loop="uvloop",
            log_config=None,
            timeout_graceful_shutdown=settings.shutdown_timeout_s,
            timeout_worker_healthcheck=_PING_WITHIN_S,
        )
        self._settings = settings
        self._board = board

    def load(self) -> None:
        """Become the configuration of a whole server; runs in the worker."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the app listens to it
        _end_with_the_supervisor()
        configure_logging(self._settings.log_format, self._settings.log_level)
        try:
            config = server_config(create_app(self._settings, Board(self._board)))
        except FeatherboxError as error:
            logger.error("a worker cannot start: %s", error.detail)
            sys.exit(STARTUP_FAILURE)
        config.load()
        self.__dict__.update(config.__dict__)


def _end_with_the_supervisor() -> None:
    """Let the kernel end this worker if the supervisor is killed, or was since it began."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    supervisor = multiprocessing.parent_process()
    if supervisor is not None and supervisor.pid != os.getppid():
        sys.exit(STARTUP_FAILURE)


class ExitOrDeath(threading.Event):
    """Set when the supervisor has to end; who waits for it hears of a dead worker, too."""

    def __init__(self, workers: list[Process]) -> None:
        super().__init__()
        self._workers = workers

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until a worker ends, `timeout` seconds at most, unless this is set already."""
        if not self.is_set():
            ends = {worker.process.sentinel: worker.process for worker in self._workers}
            for end in multiprocessing.connection.wait(list(ends), timeout):
                # It is dying, but not dead for whoever asks: uvicorn would wait for its pong.
                ends[cast("int", end)].join(_DIES_WITHIN_S)
        return self.is_set()


def let_go_of(worker: Process) -> None:
    """Close the worker's end of its pipe here, so that whoever waits for its pong hears of its end.

    Else the pipe outlives a worker that dies after the ping, and all signals wait with it.
    """
    worker.child_conn.close()


class _Supervisor(Multiprocess):
    """Passes SIGHUP on instead of restarting, and does not wait for ever."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        self.should_exit = ExitOrDeath(self.processes)  # uvicorn would look twice a second
        self._owed: set[int | None] = set()  # workers that a hangup has not reached yet

    def handle_hup(self) -> None:
        """Let every worker look into the model repository, as soon as it listens to that."""
        self._owed = {process.pid for process in self.processes}

    def keep_subprocess_alive(self) -> None:
        """Replace workers that ended or hang; pass a hangup on."""
        for process in self.processes:
            let_go_of(process)
        super().keep_subprocess_alive()
        for process in self.processes:
            if process.pid and process.pid in self._owed and process.is_ready(timeout=1):
                self._owed.discard(process.pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGHUP)

    def terminate_all(self) -> None:
        """Stop listening, and tell every worker to end."""
        for listener in self.sockets:
            listener.close()
        super().terminate_all()

    def join_all(self) -> None:
        """Wait for the workers, and end those that do not end by themselves."""
        give_up = time.monotonic() + (self.config.timeout_graceful_shutdown or 0) + _END_WITHIN_S
        for process in self.processes:
            process.process.join(max(0.0, give_up - time.monotonic()))
            if process.process.is_alive():
                process.process.kill()


def run_workers(settings: Settings) -> NoReturn:
    """Run `settings.workers` processes until SIGTERM or Ctrl-C, and end this one.

    Raises:
        SettingUnusable: there is no place where the workers could tell each other what they do.
    """
    with board_folder() as board:
        config = _WorkerConfig(settings, board)
        listener = config.bind_socket()
        listener.listen(config.backlog)  # who comes before the workers waits for them
        host, port = listener.getsockname()[:2]
        logger.info(
            "listening on http://%s:%d with %d workers",
            f"[{host}]" if ":" in host else host, port, settings.workers,
        )  # fmt: skip
        _Supervisor(config, [listener]).run()
    logger.info("all workers stopped")
    sys.exit(0)
