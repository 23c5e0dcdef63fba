"""Hostile files over HTTP: each is answered or refused as it should be, and the service lives."""

import pytest

from benchmarks.reliability.files.hostile import hostile_files
from tests.support.images import photo
from tests.support.server import LiveServer
from tests.support.warnings_as_served import warnings_as_served

CASES = list(hostile_files())


@pytest.mark.parametrize(
    ("data", "statuses"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_a_hostile_file_is_answered_or_refused(
    server: LiveServer, data: bytes, statuses: set[int]
) -> None:
    with warnings_as_served():
        answer = server.classify_raw(data)
        sent_as_form = server.classify(data)
    assert answer.status_code in statuses, answer.text
    assert sent_as_form.status_code == answer.status_code


def test_hostile_files_in_a_batch_spoil_no_good_one(server: LiveServer) -> None:
    small = [data for _, data, _ in CASES if len(data) < 60_000][:30]
    with warnings_as_served():
        results = server.batch(photo("red"), *small, photo("blue")).json()["results"]
    assert [results[i]["predictions"][0]["label"] for i in (0, -1)] == ["red", "blue"]
    assert len(results) == len(small) + 2
