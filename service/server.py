"""How the app is served: uvicorn with our own protocol."""

from functools import partial
from typing import Any

import uvicorn
from fastapi import FastAPI

from service.api.context import Context
from service.api.wire.connection import Connection
from service.api.wire.front import Front


def server_config(app: FastAPI) -> uvicorn.Config:
    """Return how uvicorn is to serve an app of `create_app`."""
    context: Context = app.state.context
    settings = context.settings
    protocol: Any = partial(Connection, Front(context))
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=protocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=settings.shutdown_timeout_s,
    )
