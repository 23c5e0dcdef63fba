"""Paths that name a model, with or without one of its versions."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request

from service.api.context import context_of
from service.api.v2.documents import path_parameter
from service.engine.repository import ServedModel

MODEL_PATH = "/v2/models/{name}"
VERSION_PATH = "/v2/models/{name}/versions/{version}"

Route = TypeVar("Route", bound=Callable[..., Any])


def reference(request: Request) -> str:
    """Return how the repository names the model of a path: `name` or `name:version`."""
    name, version = request.path_params["name"], request.path_params.get("version")
    return name if version is None else f"{name}:{version}"


def served_model(request: Request) -> ServedModel:
    """Return the model that the path names, in whatever state it is.

    Raises:
        ModelNotFound: there is none of that name, or another version is served.
    """
    return context_of(request).repository.find(reference(request))


ServedDep = Annotated[ServedModel, Depends(served_model)]


def for_model(
    router: APIRouter, method: str, tail: str, *, operation_id: str, **options: Any
) -> Callable[[Route], Route]:
    """Return a decorator that puts a function at both paths of a model, `tail` appended."""
    extra = options.pop("openapi_extra", {})

    def put(function: Route) -> Route:
        for path, names, suffix in (
            (MODEL_PATH, ["name"], ""),
            (VERSION_PATH, ["name", "version"], "_version"),
        ):
            in_path = [path_parameter(name) for name in names]
            router.add_api_route(
                path + tail,
                function,
                methods=[method],
                operation_id=f"v2_{operation_id}{suffix}",
                openapi_extra=extra | {"parameters": [*in_path, *extra.get("parameters", [])]},
                **options,
            )
        return function

    return put
