"""POST /classify/batch: several images, each with an answer or an error of its own."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from benchmarks.reliability.files.forms import CONTENT_TYPE, form, image_part, part
from service.api.schemas import BatchBody
from tests.support.images import encode, photo, png_of_size, scene
from tests.support.server import LiveServer, serving, settings_for
from tests.support.sessions import gated
from tests.support.waiting import wait_until


def outcomes(response: httpx.Response) -> list[str]:
    """Return the best label or the error code of each image."""
    assert response.status_code == 200, response.text
    body = BatchBody.model_validate_json(response.content)
    found = []
    for result in body.results:
        assert (result.error is None) == (result.predictions is not None)
        assert (result.error is None) == (result.timings_ms is not None)
        if result.error:
            found.append(result.error.code)
        elif result.predictions:
            found.append(result.predictions[0].label)
    return found


def problem(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def test_images_are_answered_in_their_order(server: LiveServer) -> None:
    wanted = ["blue", "red", "green", "red", "blue"] * 4
    response = server.batch(*(photo(colour) for colour in wanted))
    assert outcomes(response) == wanted
    names = [result["filename"] for result in response.json()["results"]]
    assert names == [f"{i}.png" for i in range(20)]


def test_one_image_is_a_batch(server: LiveServer) -> None:
    assert outcomes(server.batch(photo("green"))) == ["green"]


def test_a_bad_image_carries_its_own_error_and_spoils_no_other(server: LiveServer) -> None:
    damaged = encode(scene(), "JPEG")[:-200]
    response = server.batch(
        photo("red"), b"text", photo("green"), b"", damaged, png_of_size(60_000, 60_000),
        photo("blue"),
    )  # fmt: skip
    assert outcomes(response) == [
        "red", "unsupported_media_type", "green", "empty_body", "damaged_image",
        "image_too_large", "blue",
    ]  # fmt: skip


def test_each_answer_has_the_stages_of_its_own_work(server: LiveServer) -> None:
    for result in server.batch(photo("red"), photo("blue")).json()["results"]:
        stages = result["timings_ms"]
        assert stages["inference"] > 0
        assert stages["total"] >= stages["decode"] + stages["inference"]


def test_model_and_top_k_count_for_all_images(server: LiveServer) -> None:
    body = server.batch(photo("red"), photo("blue"), model="another:1", top_k=2).json()
    assert (body["model"], body["version"]) == ("another", "1")
    assert [len(result["predictions"]) for result in body["results"]] == [2, 2]


def test_a_file_name_is_repeated_and_may_be_missing(server: LiveServer) -> None:
    body = form(image_part(photo(), "ü 🐈.png"), part(photo(), 'name="image"'))
    response = server.client.post(
        "/classify/batch", content=body, headers={"content-type": CONTENT_TYPE}
    )
    assert [r["filename"] for r in response.json()["results"]] == ["ü 🐈.png", None]


def test_32_images_are_answered_and_33_refused(server: LiveServer) -> None:
    images = [photo("green")] * 33
    assert outcomes(server.batch(*images[:32])) == ["green"] * 32
    assert problem(server.batch(*images)) == (413, "too_many_images")


def test_the_whole_batch_is_bounded_in_bytes(server: LiveServer) -> None:
    huge = [bytes(13_000_000)] * 5
    assert problem(server.batch(*huge)) == (413, "body_too_large")


def test_an_image_of_a_batch_is_bounded_like_a_single_one(server: LiveServer) -> None:
    response = server.batch(photo(), bytes(20_000_001))
    assert problem(response) == (413, "body_too_large")


def test_a_batch_without_images_is_malformed(server: LiveServer) -> None:
    response = server.client.post("/classify/batch", files={"picture": ("a.png", photo())})
    assert problem(response) == (400, "malformed_request")


def test_raw_bytes_are_no_batch(server: LiveServer) -> None:
    response = server.client.post(
        "/classify/batch", content=photo(), headers={"content-type": "image/png"}
    )
    assert problem(response) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"model": "missing"}, 404, "model_not_found"),
        ({"top_k": 0}, 422, "invalid_parameter"),
        ({"top_k": 4}, 422, "invalid_parameter"),
    ],
    ids=str,
)
def test_parameters_are_checked_as_for_one_image(
    server: LiveServer, query: dict[str, object], status: int, code: str
) -> None:
    assert problem(server.batch(photo(), **query)) == (status, code)


def test_a_batch_of_more_images_than_places_is_answered(small_server: LiveServer) -> None:
    # one thread and two waiting places
    assert outcomes(small_server.batch(*[photo("red")] * 9)) == ["red"] * 9
    wait_until(lambda: small_server.context.pool.in_flight == 0, "all places are free")


def test_a_batch_leaves_places_to_others(repository: Path) -> None:
    settings = settings_for(repository, worker_threads=1, queue_per_thread=7)
    with (
        serving(settings) as live,
        ThreadPoolExecutor(1) as clients,
        gated(live.model()) as session,
    ):
        batch = clients.submit(live.batch, *[photo("red")] * 20)
        session.wait_for_runs(1)
        assert live.context.pool.in_flight == 2
        session.gate.set()
        assert outcomes(batch.result(30)) == ["red"] * 20


def test_a_batch_waits_for_room_within_its_deadline(small_server: LiveServer) -> None:
    with ThreadPoolExecutor(3) as clients, gated(small_server.model()) as session:
        batch = clients.submit(small_server.batch, *[photo("red")] * 5)
        session.wait_for_runs(1)
        wait_until(lambda: small_server.context.pool.in_flight == 2, "the batch has begun")
        single = clients.submit(small_server.classify, photo("blue"))
        wait_until(lambda: small_server.context.pool.in_flight == 3, "the queue is full")
        session.gate.set()
        assert outcomes(batch.result(30)) == ["red"] * 5
        assert single.result(30).is_success


def test_a_batch_whose_client_has_gone_is_dropped_and_counted(small_server: LiveServer) -> None:
    gone = 'featherbox_requests_total{model="colours",route="/classify/batch",status="499"} 1.0'
    files = [("image", ("a.png", photo()))] * 8
    with gated(small_server.model()) as session:
        with httpx.Client(base_url=small_server.url) as impatient, pytest.raises(httpx.ReadTimeout):
            impatient.post("/classify/batch", files=files, timeout=0.2)
        wait_until(lambda: gone in small_server.client.get("/metrics").text, "it is counted")
        assert small_server.context.pool.in_flight == 1
        session.gate.set()
        wait_until(lambda: small_server.context.pool.in_flight == 0, "all places are free")
    assert session.runs == 1


def test_images_that_miss_the_deadline_say_so_one_by_one(small_server: LiveServer) -> None:
    files = [("image", ("a.png", photo()))] * 3
    with gated(small_server.model()) as session:
        response = small_server.client.post(
            "/classify/batch", files=files, headers={"x-request-timeout-ms": "1000"}
        )
        assert outcomes(response) == ["deadline_exceeded"] * 3
        session.gate.set()
    assert session.runs == 1  # the first was running, the others were dropped


def test_limits_of_a_batch_are_settings(server: LiveServer) -> None:
    folder = server.context.settings.model_repository
    with serving(settings_for(folder, max_batch_images=2, max_batch_bytes=5000)) as live:
        assert outcomes(live.batch(photo("red"), photo("red"))) == ["red", "red"]
        assert problem(live.batch(*[photo()] * 3)) == (413, "too_many_images")
        assert problem(live.batch(bytes(6000))) == (413, "body_too_large")
