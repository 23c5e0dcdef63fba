"""Bodies to images: forms well made, badly made and hostile."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.reliability.files.forms import BOUNDARY, CONTENT_TYPE, form, image_part, part
from service.api.uploads import Upload, several_images, single_image
from service.errors import (
    BodyTooLarge,
    EmptyBody,
    FeatherboxError,
    MalformedRequest,
    TooManyImages,
    UnsupportedMedia,
)
from tests.support.images import photo
from tests.support.server import LiveServer

PIXELS = b"\x89PNG pixels \r\n-- of a kind \r\n--=_feathe"


def several(body: bytes, content_type: str = CONTENT_TYPE, most: int = 32) -> list[Upload]:
    return several_images(body, content_type, most, 1_000_000)


def test_the_bytes_of_the_field_are_returned_as_they_are() -> None:
    assert single_image(form(image_part(PIXELS)), CONTENT_TYPE) == PIXELS


@pytest.mark.parametrize(
    "disposition",
    [
        'name="image"',
        'NAME="image"',
        "name=image",
        "name=image; filename=a",
        'filename="x.jpg"; name="image"',
    ],
)
def test_a_field_counts_however_it_is_written(disposition: str) -> None:
    assert single_image(form(part(PIXELS, disposition)), CONTENT_TYPE) == PIXELS


def test_header_names_may_be_written_in_any_case() -> None:
    body = form(image_part(PIXELS)).replace(b"Content-Disposition", b"content-DISPOSITION")
    assert single_image(body, CONTENT_TYPE) == PIXELS


def test_other_fields_beside_the_image_are_passed_over() -> None:
    others = [part(b"x", f'name="field{i}"') for i in range(4)]
    body = form(*others, image_part(PIXELS), *others)
    assert single_image(body, CONTENT_TYPE) == PIXELS


def test_a_preamble_and_an_epilogue_are_passed_over() -> None:
    body = form(image_part(PIXELS)) + b"epilogue" * 100_000
    assert single_image(body, CONTENT_TYPE) == PIXELS


def test_images_come_in_order_with_their_names() -> None:
    body = form(*(image_part(bytes([i]) * 3, f"{i}.png") for i in range(5)))
    assert several(body) == [Upload(bytes([i]) * 3, f"{i}.png") for i in range(5)]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('filename="katze ü 🐈.png"', "katze ü 🐈.png"),
        ('filename="../../etc/passwd"', "../../etc/passwd"),
        ('filename="C:\\\\photos\\\\cat.png"', "cat.png"),
        ('filename=""', ""),
        ('filename="nul\x00.png"', "nul\x00.png"),
        ("filename*=UTF-8''cat%20one.png", None),
        ('filename="a;b.png"', "a;b.png"),
        ('filename="' + "x" * 1000 + '"', "x" * 255),
        ("x=y", None),
    ],
    ids=str,
)
def test_a_file_name_is_only_repeated(written: str, read: str | None) -> None:
    (upload,) = several(form(part(PIXELS, f'name="image"; {written}')))
    assert (upload.filename, upload.data) == (read, PIXELS)


def test_a_file_name_that_is_no_utf_8_is_replaced() -> None:
    body = form(part(PIXELS, 'name="image"; filename="@.png"')).replace(b"@", b"\xff\xfe")
    assert several(body)[0].filename == "\ufffd\ufffd.png"


def test_a_form_without_the_field_says_which_is_missing() -> None:
    with pytest.raises(MalformedRequest, match="no field 'image'"):
        single_image(form(part(PIXELS, 'name="picture"; filename="a.png"')), CONTENT_TYPE)


@pytest.mark.parametrize("disposition", ['name="Image"', "name", "name*=image", ""])
def test_a_field_of_nearly_the_name_is_not_the_field(disposition: str) -> None:
    with pytest.raises(MalformedRequest, match="no field 'image'"):
        single_image(form(part(PIXELS, disposition)), CONTENT_TYPE)


def test_two_images_are_sent_to_the_batch() -> None:
    with pytest.raises(TooManyImages, match="/classify/batch"):
        single_image(form(image_part(PIXELS), image_part(PIXELS)), CONTENT_TYPE)


def test_an_empty_field_is_called_empty() -> None:
    with pytest.raises(EmptyBody, match="'image' is empty"):
        single_image(form(image_part(b"")), CONTENT_TYPE)


def test_a_batch_keeps_an_empty_image_in_its_place() -> None:
    uploads = several(form(image_part(b"1"), image_part(b""), image_part(b"3")))
    assert [upload.data for upload in uploads] == [b"1", b"", b"3"]


def test_one_image_more_than_allowed_is_refused() -> None:
    parts = [image_part(PIXELS)] * 4
    assert len(several(form(*parts), most=4)) == 4
    with pytest.raises(TooManyImages, match="4 images"):
        several(form(*parts, image_part(PIXELS)), most=4)


def test_an_image_of_a_batch_has_the_limit_of_a_single_one() -> None:
    with pytest.raises(BodyTooLarge, match="10 bytes"):
        several_images(form(image_part(b"x" * 11)), CONTENT_TYPE, 4, 10)


def test_a_batch_is_a_form() -> None:
    with pytest.raises(UnsupportedMedia, match="curl"):
        several(PIXELS, "image/png")


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", 'multipart/form-data; boundary=""']
)
def test_a_form_names_its_boundary(content_type: str) -> None:
    with pytest.raises(MalformedRequest, match="boundary"):
        single_image(form(image_part(PIXELS)), content_type)


@pytest.mark.parametrize("boundary", ["other", "x" * 300, "=_feathe", "=_featherx"])
def test_a_form_with_another_boundary_is_malformed(boundary: str) -> None:
    with pytest.raises(MalformedRequest):
        single_image(form(image_part(PIXELS)), f"multipart/form-data; boundary={boundary}")


def test_a_form_cut_anywhere_is_malformed() -> None:
    body = form(image_part(PIXELS))
    whole = len(body) - len(b"\r\n")
    for end in range(1, whole):
        with pytest.raises(MalformedRequest):
            single_image(body[:end], CONTENT_TYPE)


@pytest.mark.parametrize("count", [10, 1001, 100_000])
def test_many_parts_are_refused(count: int) -> None:
    body = form(*[part(b"", 'name="x"')] * count)
    with pytest.raises(TooManyImages, match="too many fields"):
        single_image(body, CONTENT_TYPE)


@pytest.mark.parametrize(
    "headers",
    [{f"X-{i}": "y" for i in range(20)}, {"X": "y" * 5000}, {"X" * 5000: "y"}, {"bad name": "y"}],
    ids=["many", "a long value", "a long name", "a space in a name"],
)
def test_part_headers_are_bounded(headers: dict[str, str]) -> None:
    with pytest.raises(MalformedRequest):
        single_image(form(part(PIXELS, 'name="image"', headers)), CONTENT_TYPE)


def test_a_form_within_a_form_is_not_opened() -> None:
    inner = form(image_part(b"inner")).replace(BOUNDARY.encode(), b"inner")
    nested = part(inner, 'name="files"', {"Content-Type": "multipart/mixed; boundary=inner"})
    with pytest.raises(MalformedRequest, match="no field 'image'"):
        single_image(form(nested), CONTENT_TYPE)


PIECES = st.sampled_from(
    [
        f"--{BOUNDARY}".encode(), b"--", b"\r\n", b"\r", b"\n", b";", b"\x00", b"\xff", PIXELS,
        b"Content-Disposition: form-data; ", b'name="image"', b'filename="',
    ]
)  # fmt: skip
BODIES = st.binary(max_size=200) | st.lists(PIECES | st.binary(max_size=4), max_size=30).map(
    b"".join
)
TYPES = (
    st.just(CONTENT_TYPE)
    | st.text(st.characters(max_codepoint=255), max_size=60)
    | st.text(st.characters(max_codepoint=255), max_size=40).map("multipart/form-data; ".__add__)
)


@given(body=BODIES, content_type=TYPES)
def test_any_body_gives_images_or_one_of_our_errors(body: bytes, content_type: str) -> None:
    for read in (single_image, several):
        try:
            read(body, content_type)
        except FeatherboxError as error:
            assert error.status in {400, 413, 415}


@given(st.lists(st.binary(max_size=50).filter(lambda data: b"\r\n--" not in data), max_size=9))
def test_whatever_is_put_into_a_form_comes_out(images: list[bytes]) -> None:
    body = form(
        part(b"x", 'name="other"'), *(image_part(data) for data in images), image_part(b".")
    )
    assert [upload.data for upload in several(body)] == [*images, b"."]


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (form(part(PIXELS, 'name="x"')), CONTENT_TYPE, 400, "malformed_request"),
        (form(image_part(photo()))[:-9], CONTENT_TYPE, 400, "malformed_request"),
        (form(image_part(photo())), "multipart/form-data", 400, "malformed_request"),
        (form(image_part(b"")), CONTENT_TYPE, 400, "empty_body"),
        (form(image_part(photo()), image_part(photo())), CONTENT_TYPE, 413, "too_many_images"),
        (form(*[part(b"", 'name="x"')] * 1001), CONTENT_TYPE, 413, "too_many_images"),
    ],
    ids=["no image", "cut short", "no boundary", "empty", "two images", "many parts"],
)
def test_the_service_answers_bad_forms_with_problems(
    server: LiveServer, body: bytes, content_type: str, status: int, code: str
) -> None:
    response = server.classify_raw(body, {"content-type": content_type})
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_the_form_of_a_client_library_is_understood(server: LiveServer) -> None:
    files = {"image": ("🐈 \r\n.jpg", photo("blue", "JPEG"), "image/jpeg")}
    data = {"note": "hello", "empty": ""}
    response = server.client.post("/classify", files=files, data=data)
    assert response.json()["predictions"][0]["label"] == "blue"


def test_a_urlencoded_form_is_told_what_to_send(server: LiveServer) -> None:
    response = server.client.post("/classify", data={"image": "cat.jpg"})
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")
    assert "curl -F" in response.json()["detail"]
