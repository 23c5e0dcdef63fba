"""Requests made from the OpenAPI document, right and wrong ones: no crash, and only what it says.

Every route that is declared is tried, also those that are added later. The examples are the same
on each run (see `tests/conftest.py`). For more of them, against a running server:
`.venv-dev/bin/schemathesis run http://127.0.0.1:8000/openapi.json`.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.generation.case import Case
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.server import LiveServer

Operation = APIOperation[Any, Any, Any, Any]

EXAMPLES = 12
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def operations_of(server: LiveServer) -> Iterator[Operation]:
    document = server.client.get("/openapi.json").json()
    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        assert isinstance(result, Ok)
        yield result.ok()


def send_some(server: LiveServer, operation: Operation, mode: GenerationMode) -> list[int]:
    """Send generated requests, hold every answer against the document, return the statuses."""
    statuses = []

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case: Case[Any]) -> None:
        answer = case.call(base_url=server.url, timeout=30)
        statuses.append(answer.status_code)
        assert b"0x" not in answer.content
        case.validate_response(answer, checks=CHECKS)

    run()
    return statuses


def can_be_wrong(operation: Operation) -> bool:
    """Return whether there is more to a request than names in its path, which are any text."""
    return bool(operation.query or operation.headers or operation.body)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_generated_requests_are_answered_as_declared(
    server: LiveServer, mode: GenerationMode
) -> None:
    answered = {
        f"{operation.method.upper()} {operation.path}": send_some(server, operation, mode)
        for operation in operations_of(server)
        if mode is GenerationMode.POSITIVE or can_be_wrong(operation)
    }
    sent = {name: len(statuses) for name, statuses in answered.items() if statuses}
    assert {"POST /classify", "POST /classify/batch"} <= sent.keys()
    assert sent["POST /classify"] >= EXAMPLES
    statuses = {status for found in answered.values() for status in found}
    assert len(statuses) > 2, "the requests are all alike"
    assert server.client.get("/readyz").is_success
