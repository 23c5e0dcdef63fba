"""POST /classify: an image becomes labels, and every way not to."""

from typing import Any

import httpx
import pytest
from PIL import Image

from service.api.schemas import ClassifyBody
from service.engine.decode import DecodeLimits
from tests.support.images import (
    COLOURS,
    bomb,
    encode,
    photo,
    plain,
    png_of_size,
    scene,
    stored_as,
)
from tests.support.server import LiveServer, serving, settings_for


def labels(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    body = ClassifyBody.model_validate_json(response.content)
    return [prediction.label for prediction in body.predictions]


def problem(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
@pytest.mark.parametrize("colour", ["red", "green", "blue"])
def test_a_form_with_an_image_is_answered(
    server: LiveServer, image_format: str, colour: str
) -> None:
    assert labels(server.classify(photo(colour, image_format)))[0] == colour


@pytest.mark.parametrize(
    "content_type",
    ["image/jpeg", "image/png", "image/*", "application/octet-stream", "IMAGE/JPEG; q=1"],
)
def test_raw_bytes_are_answered_whatever_their_type_says(
    server: LiveServer, content_type: str
) -> None:
    response = server.classify_raw(photo("blue"), {"content-type": content_type})
    assert labels(response)[0] == "blue"


def test_raw_bytes_without_a_content_type_are_answered(server: LiveServer) -> None:
    request = server.client.build_request("POST", "/classify", content=photo("green"))
    assert "content-type" not in request.headers
    assert labels(server.client.send(request))[0] == "green"


def test_a_chunked_body_is_answered(server: LiveServer) -> None:
    data = photo("red", "BMP")
    pieces = (data[i : i + 100] for i in range(0, len(data), 100))
    headers = {"content-type": "image/bmp"}
    response = server.client.post("/classify", content=pieces, headers=headers)
    assert response.request.headers["transfer-encoding"] == "chunked"
    assert labels(response)[0] == "red"


def test_the_answer_holds_what_the_design_promises(server: LiveServer) -> None:
    body = server.classify(photo("red")).json()
    assert body.keys() == {"model", "version", "predictions", "timings_ms", "request_id"}
    assert (body["model"], body["version"]) == ("colours", "2")
    first = body["predictions"][0]
    assert (first["label"], first["index"]) == ("red", 0)
    assert first["probability"] == pytest.approx(0.984, abs=0.01)
    assert list(body["timings_ms"]) == [
        "queue", "decode", "preprocess", "inference", "postprocess", "total",
    ]  # fmt: skip


def test_the_stages_add_up_to_no_more_than_the_total(server: LiveServer) -> None:
    stages = server.classify(photo("red")).json()["timings_ms"]
    total = stages.pop("total")
    assert 0 < sum(stages.values()) <= total + 0.01  # each is rounded to a microsecond


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_has_one_answer(server: LiveServer, orientation: int) -> None:
    # more blue than red within the wide crop, and the reverse in a crop of the picture on its side
    image = plain("red", (90, 90))
    image.paste(COLOURS["blue"], (5, 15, 85, 75))
    image.paste(COLOURS["red"], (15, 15, 48, 75))
    assert labels(server.classify(encode(image.transpose(Image.Transpose.ROTATE_90))))[0] == "red"
    upright = server.classify(encode(image)).json()["predictions"][0]
    turned = server.classify(stored_as(image, orientation)).json()["predictions"][0]
    assert upright["label"] == turned["label"] == "blue"
    assert turned["probability"] == pytest.approx(upright["probability"], abs=0.02)


def test_all_labels_come_when_the_model_has_fewer_than_the_default(server: LiveServer) -> None:
    assert len(labels(server.classify(photo()))) == 3


@pytest.mark.parametrize("top_k", [1, 2, 3])
def test_top_k_says_how_many_labels(server: LiveServer, top_k: int) -> None:
    assert len(labels(server.classify(photo(), top_k=top_k))) == top_k


@pytest.mark.parametrize(
    "top_k",
    ["0", "-1", "4", "1000000000000", "9" * 5000, "2.5", "x", "", "+1", " 1", "²", "\u0661"],
)
def test_a_top_k_out_of_range_is_refused_by_name(server: LiveServer, top_k: str) -> None:
    response = server.classify(photo(), top_k=top_k)
    assert problem(response) == (422, "invalid_parameter")
    assert "top_k" in response.json()["detail"]


@pytest.mark.parametrize(
    ("reference", "served"),
    [("colours", "colours:2"), ("colours:2", "colours:2"), ("another:1", "another:1")],
)
def test_a_model_is_chosen_by_name_and_version(
    server: LiveServer, reference: str, served: str
) -> None:
    body = server.classify(photo(), model=reference).json()
    assert f"{body['model']}:{body['version']}" == served


@pytest.mark.parametrize(
    "reference",
    ["missing", "colours:1", "colours:9", "colours:", "../colours", "a/../b", "colours\x00", ".."],
)
def test_an_unknown_model_or_version_is_not_found(server: LiveServer, reference: str) -> None:
    assert problem(server.classify(photo(), model=reference)) == (404, "model_not_found")


def test_an_endless_model_name_is_refused(server: LiveServer) -> None:
    assert problem(server.classify(photo(), model="x" * 10_000)) == (422, "invalid_parameter")


def test_a_query_of_absurdly_many_fields_is_malformed(server: LiveServer) -> None:
    response = server.client.post("/classify?" + "x=1&" * 1000, content=photo())
    assert problem(response) == (400, "malformed_request")


def test_unknown_query_fields_are_passed_over(server: LiveServer) -> None:
    assert len(labels(server.classify(photo(), colour="red", top_k=1))) == 1


def test_an_empty_body_is_called_empty(server: LiveServer) -> None:
    assert problem(server.classify_raw(b"")) == (400, "empty_body")


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_half_a_picture_is_damaged(server: LiveServer, image_format: str) -> None:
    data = encode(scene(), image_format)
    assert problem(server.classify(data[: len(data) // 2])) == (400, "damaged_image")


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"just text", "accepted format"),
        (b"<!DOCTYPE html><html></html>", "HTML"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(64), "HEIC"),
        (b"\x00\x00\x00\x1cftypavif" + bytes(64), "AVIF"),
        (b"II*\x00" + bytes(64), "TIFF"),
        (b"https://example.com/cat.jpg", "URL"),
    ],
    ids=str,
)
def test_what_is_no_picture_is_named(server: LiveServer, data: bytes, named: str) -> None:
    response = server.classify(data)
    assert problem(response) == (415, "unsupported_media_type")
    assert named in response.json()["detail"]


def test_a_bomb_is_refused_by_its_header(server: LiveServer) -> None:
    data = bomb(20_000)
    assert len(data) < 100_000
    assert problem(server.classify(data)) == (413, "image_too_large")
    assert problem(server.classify(png_of_size(8001, 8000))) == (413, "image_too_large")


def test_a_large_body_is_refused_by_its_announced_length(server: LiveServer) -> None:
    response = server.classify_raw(bytes(30_000_000))
    assert response.request.headers["content-length"] == "30000000"
    assert problem(response) == (413, "body_too_large")


def test_a_large_chunked_body_is_refused_while_it_arrives(server: LiveServer) -> None:
    pieces = (bytes(1_000_000) for _ in range(30))
    headers = {"content-type": "image/jpeg"}
    response = server.client.post("/classify", content=pieces, headers=headers)
    assert problem(response) == (413, "body_too_large")


def test_a_body_of_exactly_the_limit_is_read(server: LiveServer) -> None:
    limit = server.context.settings.max_body_bytes
    data = photo("blue") + bytes(limit)
    assert labels(server.classify_raw(data[:limit]))[0] == "blue"
    assert problem(server.classify_raw(data[: limit + 1])) == (413, "body_too_large")


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip", "zstd"])
def test_an_encoded_body_is_refused(server: LiveServer, encoding: str) -> None:
    response = server.classify_raw(photo(), {"content-encoding": encoding})
    assert problem(response) == (415, "unsupported_media_type")
    assert "Content-Encoding" in response.json()["detail"]


def test_the_identity_encoding_is_none(server: LiveServer) -> None:
    assert server.classify_raw(photo(), {"content-encoding": "identity"}).is_success


@pytest.mark.parametrize(
    "content_type",
    ["application/x-www-form-urlencoded", "application/json", "text/plain", "multipart/mixed"],
)
def test_other_content_types_are_told_what_to_send(server: LiveServer, content_type: str) -> None:
    response = server.classify_raw(photo(), {"content-type": content_type})
    assert problem(response) == (415, "unsupported_media_type")
    assert "curl -F image=@photo.jpg" in response.json()["detail"]


@pytest.mark.parametrize("timeout", ["0", "-5", "soon", "1.5", "", "1, 2"])
def test_a_timeout_out_of_range_is_refused_by_name(server: LiveServer, timeout: str) -> None:
    response = server.classify_raw(photo(), {"x-request-timeout-ms": timeout})
    assert problem(response) == (422, "invalid_parameter")
    assert "X-Request-Timeout-Ms" in response.json()["detail"]


def test_a_timeout_beyond_the_services_own_is_capped(server: LiveServer) -> None:
    assert server.classify_raw(photo(), {"x-request-timeout-ms": "9" * 30}).is_success


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_not_allowed(server: LiveServer, method: str) -> None:
    response = server.client.request(method, "/classify")
    assert problem(response) == (405, "method_not_allowed")
    assert response.headers["allow"] == "POST"


def test_an_answer_is_never_kept_from_one_request_to_the_next(server: LiveServer) -> None:
    wanted: list[Any] = ["red", "green", "blue"] * 5
    assert [labels(server.classify(photo(colour)))[0] for colour in wanted] == wanted


def test_the_settings_say_how_much_of_an_image_is_decoded(server: LiveServer) -> None:
    settings = settings_for(
        server.context.settings.model_repository,
        max_header_pixels=3, max_decoded_pixels=2, reducing_gap=1.5,
    )  # fmt: skip
    with serving(settings) as live:
        assert live.context.limits == DecodeLimits(3, 2, 1.5)
