"""The repository extension: the index is answered, loading and unloading by request is refused."""

from typing import Literal

from fastapi import APIRouter, Request

from service.api.body import read_body
from service.api.context import Context, context_of
from service.api.v2.documents import INDEX, NAME_IN_PATH, TAG, errors
from service.api.v2.request import read_document
from service.api.v2.schemas import ErrorAnswer, IndexEntry, IndexRequest
from service.engine.repository import ModelState
from service.errors import EmptyBody, Forbidden

_MOST_INDEX_BYTES = 4096
_STATES: dict[ModelState, Literal["READY", "LOADING", "UNAVAILABLE"]] = {
    ModelState.READY: "READY",
    ModelState.LOADING: "LOADING",
    ModelState.FAILED: "UNAVAILABLE",
}

router = APIRouter(tags=[TAG])


@router.post(
    "/v2/repository/index",
    responses=errors(400, 413),
    response_model=list[IndexEntry],
    openapi_extra=INDEX,
    summary="List the repository",
    operation_id="v2_repository_index",
)
async def repository_index(request: Request) -> list[IndexEntry]:
    """Every model with its state; with `ready`, only those that are."""
    context = context_of(request)
    asked = await _index_request(request, context)
    return [
        IndexEntry(
            name=model.name,
            version=str(model.version),
            state=_STATES[model.state],
            reason=model.reason or "",
        )
        for model in context.repository.models
        if not asked.ready or model.state is ModelState.READY
    ]


async def _index_request(request: Request, context: Context) -> IndexRequest:
    try:
        body = await read_body(request, _MOST_INDEX_BYTES, context.settings.body_timeout_s)
    except EmptyBody:
        return IndexRequest()
    return read_document(body, IndexRequest)


@router.post(
    "/v2/repository/models/{name}/unload",
    status_code=403,
    responses=errors(403),
    openapi_extra=NAME_IN_PATH,
    summary="Refused",
    operation_id="v2_unload",
)
@router.post(
    "/v2/repository/models/{name}/load",
    status_code=403,
    responses=errors(403),
    openapi_extra=NAME_IN_PATH,
    summary="Refused",
    operation_id="v2_load",
)
async def load_or_unload() -> ErrorAnswer:
    """Refuse: what is in the folder of the models is served, and no request changes that."""
    raise Forbidden(
        "No request loads or unloads models: those in the server's model repository are served, "
        "and the operator changes that folder."
    )
