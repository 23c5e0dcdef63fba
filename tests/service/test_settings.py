"""Settings: where they come from and what they refuse."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from service.settings import Settings


def test_the_defaults_are_those_of_the_design() -> None:
    settings = Settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.default_model == "squeezenet1_1-int8"
    assert settings.max_body_bytes == 20_000_000
    assert (settings.max_header_pixels, settings.max_decoded_pixels) == (64_000_000, 16_000_000)
    assert (settings.max_batch_images, settings.max_batch_bytes) == (32, 64_000_000)
    assert settings.queue_per_thread == 32
    assert settings.request_timeout_ms == 10_000
    assert settings.intra_op_threads == 1
    assert not settings.allow_provider_fallback


def test_a_setting_is_an_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEATHERBOX_PORT", "9000")
    monkeypatch.setenv("FEATHERBOX_DOCS", "false")
    monkeypatch.setenv("FEATHERBOX_MODEL_REPOSITORY", "/models")
    settings = Settings()
    assert (settings.port, settings.docs) == (9000, False)
    assert settings.model_repository == Path("/models")


@pytest.mark.parametrize(
    ("text", "items"),
    [("a", ["a"]), ("a,b:2", ["a", "b:2"]), (" a , b ,", ["a", "b"]), ("", []), (",", [])],
)
def test_a_list_is_written_with_commas(
    monkeypatch: pytest.MonkeyPatch, text: str, items: list[str]
) -> None:
    monkeypatch.setenv("FEATHERBOX_MODELS", text)
    assert Settings().models == items


def test_what_is_given_outright_wins_over_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FEATHERBOX_PORT", "9000")
    assert Settings(port=9001).port == 9001


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", -1), ("port", 65_536), ("port", "http"), ("providers", ""), ("worker_threads", -1),
        ("request_timeout_ms", 0), ("body_timeout_s", 0), ("max_body_bytes", 0),
        ("max_batch_images", 0), ("max_header_pixels", 90_000_000), ("latency_window_s", 0),
        ("log_format", "xml"), ("log_level", "loud"), ("docs", "perhaps"),
        ("cors_origins", "example.org"), ("cors_origins", "https://example.org/path"),
    ],
)  # fmt: skip
def test_a_value_out_of_range_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(**{name: value})
    assert [error["loc"][0] for error in caught.value.errors()] == [name]


def test_an_empty_file_name_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEATHERBOX_TOKENS_FILE", "")
    assert Settings().tokens_file is None


def test_settings_do_not_change_while_the_service_runs() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().port = 1  # type: ignore[misc]
