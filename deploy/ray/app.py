"""Featherbox on Ray Serve: the same app, one copy a replica.

`serve deploy deploy/ray/config.yaml` on a cluster, `serve run deploy/ray/config.yaml` on one box.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from ray import serve

_LOOK_EVERY_S = 0.05


def build() -> FastAPI:
    """Build the app inside the replica; settings come from its environment."""
    # here, not above: what the driver has loaded would be sent to the replicas
    from service.app import create_app  # noqa: PLC0415
    from service.logs import configure_logging  # noqa: PLC0415

    configure_logging("json", "info")
    app = create_app()
    start = app.router.lifespan_context

    @asynccontextmanager
    async def loaded_first(app: FastAPI) -> AsyncIterator[None]:
        """Keep the replica out of traffic, which Ray sends at once, until its models are loaded."""
        async with start(app):
            models = app.state.context.repository
            while any(model.state == "loading" for model in models.models):
                await asyncio.sleep(_LOOK_EVERY_S)
            yield

    app.router.lifespan_context = loaded_first
    return app


@serve.deployment
@serve.ingress(build)
class Featherbox:
    """One replica; how many and how large is in config.yaml."""


app = Featherbox.bind()
