"""The OpenAPI document: whole, honest about errors, and what the answers really look like."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.api.problems import PROBLEM_TYPE
from tests.service.api.v2.support import INFER, ask, planes, tensor
from tests.support.images import photo
from tests.support.json_schema import Schemas
from tests.support.server import LiveServer, serving, settings_for

Document = dict[str, Any]


@pytest.fixture(scope="module")
def server(repository: Path) -> Iterator[LiveServer]:
    """Return a server of which one model has answered and the other has not."""
    with serving(settings_for(repository)) as live:
        live.classify(photo("red"))
        yield live


@pytest.fixture(scope="module")
def document(server: LiveServer) -> Document:
    found: Document = server.client.get("/openapi.json").json()
    return found


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def faults(document: Document, method: str, path: str, response: httpx.Response) -> list[str]:
    """Return what of an answer the document does not say."""
    declared = document["paths"][path][method]["responses"]
    content = declared[str(response.status_code)]["content"]
    kind = response.headers["content-type"].partition(";")[0]
    if kind == "text/plain":
        return [] if kind in content else [f"{kind} is not declared"]
    return list(Schemas(document).faults(content[kind]["schema"], response.json()))


def test_the_document_is_of_openapi_3_1(document: Document) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] == "Featherbox"
    assert document["info"]["version"]


def test_the_routes_are_those_of_the_design(document: Document) -> None:
    assert {(method, path) for method, path, _ in operations(document)} >= {
        ("post", "/classify"),
        ("post", "/classify/batch"),
        ("get", "/models"),
        ("get", "/models/{name}"),
        ("get", "/latency"),
        ("get", "/livez"),
        ("get", "/readyz"),
        ("get", "/metrics"),
        ("get", "/v2"),
        ("post", "/v2/models/{name}/infer"),
    }


def test_every_reference_leads_somewhere_and_every_schema_is_used(document: Document) -> None:
    used = set(references(document))
    for reference in used:
        assert Schemas(document).resolve(reference)
    names = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert names == used


def test_every_operation_has_a_name_of_its_own_and_a_summary(document: Document) -> None:
    found = [operation for _, _, operation in operations(document)]
    assert all(operation["summary"] for operation in found)
    names = [operation["operationId"] for operation in found]
    assert len(set(names)) == len(names)


def test_every_path_parameter_is_declared(document: Document) -> None:
    for _, path, operation in operations(document):
        declared = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
        assert declared == {piece[1:-1] for piece in path.split("/") if piece.startswith("{")}


def test_every_error_is_declared_in_its_one_form(
    document: Document,
) -> None:
    for _, path, operation in operations(document):
        for status, response in operation["responses"].items():
            if int(status) >= 400 and path != "/readyz":
                kind = "application/json" if path.startswith("/v2") else PROBLEM_TYPE
                assert list(response["content"]) == [kind], (path, status)


def test_both_ways_to_send_an_image_are_declared(document: Document) -> None:
    content = document["paths"]["/classify"]["post"]["requestBody"]["content"]
    assert content.keys() >= {
        "multipart/form-data", "application/octet-stream", "image/jpeg", "image/png",
        "image/webp", "image/gif", "image/bmp",
    }  # fmt: skip


def test_the_examples_hold_their_own_schemas(document: Document) -> None:
    schemas = document["components"]["schemas"]
    with_example = [name for name in schemas if "example" in schemas[name]]
    assert {"ClassifyBody", "BatchBody", "ProblemBody"} <= set(with_example)
    for name in with_example:
        assert list(Schemas(document).faults(schemas[name], schemas[name]["example"])) == []


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/models", "/models"),
        ("/models/colours", "/models/{name}"),
        ("/models/missing", "/models/{name}"),
        ("/latency", "/latency"),
        ("/livez", "/livez"),
        ("/readyz", "/readyz"),
        ("/metrics", "/metrics"),
        ("/v2", "/v2"),
        ("/v2/health/live", "/v2/health/live"),
        ("/v2/health/ready", "/v2/health/ready"),
        ("/v2/models/stats", "/v2/models/stats"),
        ("/v2/models/colours", "/v2/models/{name}"),
        ("/v2/models/missing", "/v2/models/{name}"),
        ("/v2/models/colours/config", "/v2/models/{name}/config"),
        ("/v2/models/colours/versions/2/ready", "/v2/models/{name}/versions/{version}/ready"),
    ],
)
def test_what_is_read_is_as_declared(
    server: LiveServer, document: Document, path: str, route: str
) -> None:
    assert faults(document, "get", route, server.client.get(path)) == []


def test_answers_are_as_declared(server: LiveServer, document: Document) -> None:
    for response in (
        server.classify(photo("red")),
        server.classify(photo("red"), top_k=0),
        server.classify(photo("red"), model="missing"),
        server.classify_raw(b""),
        server.classify(b"text"),
        server.classify_raw(bytes(20_000_001)),
    ):
        assert faults(document, "post", "/classify", response) == [], response.status_code
    batch = server.batch(photo("red"), b"text", photo("blue"))
    assert faults(document, "post", "/classify/batch", batch) == []


def test_answers_to_inference_are_as_declared(server: LiveServer, document: Document) -> None:
    for response in (
        ask(server, tensor(planes("red", "blue"))),
        ask(server, tensor(planes("red")), outputs=[{"name": "label"}], id="7"),
        ask(server),
        server.client.post(INFER, content=bytes(64_000_001)),
    ):
        path = "/v2/models/{name}/infer"
        assert faults(document, "post", path, response) == [], response.status_code
    index = server.client.post("/v2/repository/index")
    assert faults(document, "post", "/v2/repository/index", index) == []


def test_an_answer_that_is_not_as_declared_is_noticed(
    server: LiveServer, document: Document
) -> None:
    response = server.classify(photo("red"))
    changed = response.json() | {"surprise": 1, "version": 2}
    del changed["request_id"]
    other = httpx.Response(200, json=changed)
    assert len(faults(document, "post", "/classify", other)) == 3
