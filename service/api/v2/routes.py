"""The routes of /v2 into the app."""

from fastapi import FastAPI

from service.api.access import Access
from service.api.v2 import catalogue, infer, metadata, statistics
from service.api.v2.documents import errors
from service.api.v2.paths import MODEL_PATH, VERSION_PATH

DIRECT = {f"{path}/infer": infer.infer for path in (MODEL_PATH, VERSION_PATH)}


def include(app: FastAPI, access: Access) -> None:
    """Add the routes; all but health need a token where one is set."""
    guard = access.for_routes()
    if guard:
        guard["responses"] = errors(401)
    # before the routes of models, one of which would take "stats" for a name
    for module in (statistics, metadata, catalogue, infer):
        app.include_router(module.router, **guard)
    app.include_router(metadata.health_router)
