"""The API as a page: the OpenAPI document in Markdown.

    python -m service.api_page > docs/api.md

A test compares the page with what this prints, and sends its examples to a server.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

from service.app import create_app
from service.settings import Settings

Document = dict[str, Any]

_SERVER = "http://127.0.0.1:8000"
_CAT, _COFFEE = "image=@tests/data/cat.jpg", "image=@tests/data/coffee.jpg"
_MODEL = "squeezenet1_1-int8"
_ADMIN = "curl -X POST -H 'Authorization: Bearer TOKEN'"
_VERSIONED = "/versions/{version}"
_EXAMPLES = {
    "POST /classify": f"curl -F {_CAT} '{_SERVER}/classify?top_k=3'",
    "POST /classify/batch": f"curl -F {_CAT} -F {_COFFEE} {_SERVER}/classify/batch",
    "POST /models/reload": f"{_ADMIN} {_SERVER}/models/reload",
    "POST /models/{name}/benchmark": f"{_ADMIN} {_SERVER}/models/{_MODEL}/benchmark",
    "POST /v2/repository/index": f"curl -X POST {_SERVER}/v2/repository/index",
    "POST /v2/models/{name}/infer": (
        """head='{"inputs":[{"name":"image","datatype":"BYTES","shape":[1]}]}'; """
        """(printf %s "$head"; cat tests/data/cat.jpg) | curl --data-binary @- """
        """-H "Inference-Header-Content-Length: ${#head}" """
        f"{_SERVER}/v2/models/{_MODEL}/infer"
    ),
}

_INTRODUCTION = """# The API

Written by `python -m service.api_page` from the OpenAPI document, which a server gives at
`/openapi.json` and shows at `/docs`; a test holds the page to it. What the routes are for is told
in [clients](clients.md), [choosing a model](choosing.md) and the
[Open Inference Protocol](protocol-v2.md); how errors look and what to do about them, and how to
send a token where one is needed, in [operations](operations.md).
"""


def markdown(document: Document) -> str:
    """Return the page of an OpenAPI document."""
    paths: dict[str, Document] = document["paths"]
    parts = [_INTRODUCTION, _overview(paths)]
    for path, methods in paths.items():
        if _VERSIONED not in path:
            also = [other for other in paths if other.replace(_VERSIONED, "") == path != other]
            parts += [_operation(method, path, op, also) for method, op in methods.items()]
    parts.append("## Members of bodies\n")
    parts += [_members(name, it) for name, it in document["components"]["schemas"].items()]
    return "\n".join(parts)


def _overview(paths: dict[str, Document]) -> str:
    lines = ["| route | |", "|---|---|"]
    for path, methods in paths.items():
        for method, operation in methods.items():
            if _VERSIONED not in path:
                lines.append(f"| `{method.upper()} {path}` | {operation['summary']} |")
    return "\n".join([*lines, ""])


def _operation(method: str, path: str, operation: Document, also: list[str]) -> str:
    route = f"{method.upper()} {path}"
    lines = [f"## `{route}`", "", operation["description"].replace("\n\n", " "), ""]
    lines += [f"Also `{method.upper()} {other}`, of one version.\n" for other in also]
    if operation.get("parameters"):
        lines += ["| parameter | in | type | meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{it['name']}` | {it['in']} | {_type(it['schema'])} | {it.get('description', '')} |"
            for it in operation["parameters"]
        ]
        lines.append("")
    lines += [*_body(operation.get("requestBody")), *_answers(operation["responses"])]
    example = _EXAMPLES.get(route)
    if example is None and method == "get":
        example = f"curl {_SERVER}{path.replace('{name}', _MODEL)}"
    if example:
        lines += ["```sh", example, "```", ""]
    return "\n".join(lines)


def _body(body: Document | None) -> Iterator[str]:
    if body is None:
        return
    kinds = body["content"]
    fields = kinds.get("multipart/form-data", {}).get("schema", {}).get("properties", {})
    taken = [f"`{kind}`" for kind in kinds if kind != "multipart/form-data"]
    if fields:
        named = ", ".join(f"`{name}`: {_type(it)}" for name, it in fields.items())
        taken.insert(0, f"`multipart/form-data` with {named}")
    yield f"Body: {', or '.join(taken)}."
    yield ""
    if example := kinds.get("application/json", {}).get("schema", {}).get("example"):
        yield from _json(example)


def _answers(responses: dict[str, Document]) -> Iterator[str]:
    yield "| status | body | when |"
    yield "|---|---|---|"
    for status, response in responses.items():
        bodies = [_of_kind(kind, it["schema"]) for kind, it in response["content"].items()]
        when = "done" if status == "200" else response["description"]
        yield f"| {status} | {', or '.join(bodies)} | {when} |"
    yield ""


def _of_kind(kind: str, schema: Document) -> str:
    if kind == "application/json":
        return _type(schema)
    return _type(schema) if "$ref" in schema else f"`{kind}`"


def _members(name: str, schema: Document) -> str:
    lines = [f"### {name}", "", schema.get("description", ""), ""]
    lines += ["| member | type | meaning |", "|---|---|---|"]
    needed = set(schema.get("required", ()))
    for member, it in schema["properties"].items():
        mark = "" if member in needed else " (may be absent)"
        lines.append(f"| `{member}`{mark} | {_type(it)} | {it.get('description', '')} |")
    lines.append("")
    if example := schema.get("example"):
        lines += _json(example)
    return "\n".join(lines)


def _json(example: Any) -> list[str]:
    members = (f"{json.dumps(name)}: {json.dumps(value)}" for name, value in example.items())
    return ["```json", "{" + ",\n ".join(members) + "}", "```", ""]


def _type(schema: Document) -> str:
    """Write a schema's type in words, other schemas as links to their members."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(it) for it in schema["anyOf"]))
    if "const" in schema or "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    return _plain_type(schema)


def _plain_type(schema: Document) -> str:
    kind: str = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    values = schema.get("additionalProperties")
    if kind == "object" and isinstance(values, dict):
        return f"object of {_type(values)}"
    return "bytes" if schema.get("format") == "binary" else kind + _bounds(schema)


def _bounds(schema: Document) -> str:
    words = {
        "minimum": "{} or more",
        "exclusiveMinimum": "above {}",
        "maximum": "at most {}",
        "maxLength": "at most {} characters",
    }
    said = [text.format(f"{schema[key]:g}") for key, text in words.items() if key in schema]
    return f", {', '.join(said)}" if said else ""


if __name__ == "__main__":
    sys.stdout.write(markdown(create_app(Settings()).openapi()))
