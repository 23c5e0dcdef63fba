"""The error codes: unique, with the statuses of the design, and written down for operators."""

import re
from collections.abc import Iterator

from service import errors
from service.errors import (
    ArtifactError,
    FeatherboxError,
    RequestError,
    ServiceError,
    SettingUnusable,
)
from tests.support.process import ROOT

# design.md section 3
ALLOWED = {400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 431, 500, 503, 504}
STATUSES = {
    "malformed_request": 400,
    "empty_body": 400,
    "damaged_image": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "model_not_found": 404,
    "head_too_slow": 408,
    "body_too_slow": 408,
    "benchmark_running": 409,
    "body_too_large": 413,
    "image_too_large": 413,
    "too_many_images": 413,
    "unsupported_media_type": 415,
    "invalid_parameter": 422,
    "too_many_requests": 429,
    "head_too_large": 431,
    "overloaded": 503,
    "not_ready": 503,
    "model_failed": 503,
    "deadline_exceeded": 504,
}


def family(root: type[FeatherboxError]) -> Iterator[type[FeatherboxError]]:
    for kind in root.__subclasses__():
        if kind.__module__ == errors.__name__:
            yield kind
            yield from family(kind)


def test_every_code_is_unique_and_readable() -> None:
    codes = [kind.code for kind in family(FeatherboxError)]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


def test_the_statuses_are_those_of_the_design() -> None:
    found = {
        kind.code: kind.status for root in (RequestError, ServiceError) for kind in family(root)
    }
    assert found == STATUSES
    assert set(found.values()) <= ALLOWED


def test_what_a_client_can_mend_is_4xx_and_the_rest_5xx() -> None:
    assert {kind.status // 100 for kind in family(RequestError)} == {4}
    assert {kind.status // 100 for kind in family(ServiceError)} == {5}
    assert {kind.status // 100 for kind in family(ArtifactError)} == {5}
    assert SettingUnusable.status == 500


def test_the_tree_at_the_top_of_the_module_is_true() -> None:
    written = dict(re.findall(r"(\w+) +(\d{3} [a-z_]+)", errors.__doc__ or ""))
    found = {
        kind.__name__: f"{kind.status} {kind.code}"
        for root in (RequestError, ServiceError)
        for kind in family(root)
    }
    assert written == found


def test_operators_can_look_every_code_up() -> None:
    table = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d{3}) \| `([a-z_]+)`", table, re.MULTILINE)
    assert {(str(status), code) for code, status in STATUSES.items()} <= set(rows)
