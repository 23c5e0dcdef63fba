"""The process around the server: its signals and how it ends."""

import logging
import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

import uvicorn


def run_to_the_end(server: uvicorn.Server) -> NoReturn:
    """Run until SIGTERM or Ctrl-C and end the process: 0 if it stopped as it was told to.

    SIGHUP is left to the application from the moment it has started, and ignored until then.
    """
    # uvicorn raises the signal that stopped it once more, which would end the process by it
    signal.signal(signal.SIGTERM, _end_well)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    status: int | str | None = 0
    try:
        with suppress(KeyboardInterrupt):
            server.run()
    except SystemExit as ended:
        status = ended.code
    # All is done. The interpreter's own end could still wait for, or trip over, a stuck thread.
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status if isinstance(status, int) else 1)


def _end_well(*_: object) -> NoReturn:
    sys.exit(0)
