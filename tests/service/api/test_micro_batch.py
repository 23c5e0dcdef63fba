"""Micro-batching behind HTTP: concurrent requests share inferences, each has its own answer."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.images import photo
from tests.support.server import serving, settings_for

COLOURS = ("red", "green", "blue") * 8


@pytest.mark.parametrize("worker_threads", [1, 4])
def test_each_of_many_requests_gets_the_answer_to_its_own_image(
    repository: Path, worker_threads: int
) -> None:
    settings = settings_for(repository, max_batch=4, worker_threads=worker_threads)
    with serving(settings) as live, ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda colour: live.classify(photo(colour)), COLOURS))
        damaged = live.classify(photo("red")[:60])
    labels = [answer.json()["predictions"][0]["label"] for answer in answers]
    assert labels == list(COLOURS)
    assert damaged.status_code == 400
    for answer in answers:
        times = answer.json()["timings_ms"]
        stages = sum(ms for stage, ms in times.items() if stage != "total")
        assert stages <= times["total"] + 0.1, "a wait is counted once, as queue"
