"""Log lines: JSON for programs, text for people, safe for both."""

import io
import json
import logging
import re
import sys
from collections.abc import Iterator
from typing import Any, Literal

import pytest

from service.logs import JsonFormatter, TextFormatter, configure_logging


@pytest.fixture(autouse=True)
def loggers_as_before() -> Iterator[None]:
    """Put back what `configure_logging` changes in this process."""
    names = ("", "uvicorn", "PIL", "python_multipart")
    levels = {name: logging.getLogger(name).level for name in names}
    handlers = list(logging.root.handlers)
    logging.root.handlers = []  # so that none of them is closed
    yield
    logging.root.handlers = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def record(message: str, *args: object, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("featherbox.test", logging.WARNING, "x.py", 1, message, args, None)
    made.fields = fields
    return made


def with_traceback(message: str) -> logging.LogRecord:
    made = record("failed")
    try:
        raise RuntimeError(message)
    except RuntimeError:
        made.exc_info = sys.exc_info()
    return made


def json_of(made: logging.LogRecord) -> dict[str, Any]:
    line = JsonFormatter().format(made)
    assert "\n" not in line
    document: dict[str, Any] = json.loads(line)
    return document


def test_json_has_time_level_logger_message_and_the_fields() -> None:
    found = json_of(record("hello %s", "world", status=200, timings_ms={"total": 1.5}))
    stamp = found.pop("time")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stamp)
    assert found == {
        "level": "warning",
        "logger": "featherbox.test",
        "message": "hello world",
        "status": 200,
        "timings_ms": {"total": 1.5},
    }


def test_json_keeps_a_traceback_on_its_line() -> None:
    assert json_of(with_traceback("why"))["exception"].endswith("RuntimeError: why")


@pytest.mark.parametrize("evil", ["a\nb", "\x1b[31m", '"}{', "\u2028", "\x00", "\ud800"])
def test_json_escapes_whatever_a_client_sent(evil: str) -> None:
    line = JsonFormatter().format(record("path %s", evil, path=evil))
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["path"] == evil


def test_text_is_one_readable_line() -> None:
    line = TextFormatter().format(record("GET /x 404", path="/x", status=404, code="not_found"))
    assert re.fullmatch(r"\d\d:\d\d:\d\d warning GET /x 404 code=not_found", line)


@pytest.mark.parametrize("evil", ["a\nb", "\x1b[31m", "\r", "\x7f"])
def test_text_shows_control_characters_of_a_message(evil: str) -> None:
    line = TextFormatter().format(record("GET %s", f"/{evil}"))
    assert line.isprintable()


def test_text_ends_with_the_traceback() -> None:
    assert TextFormatter().format(with_traceback("why")).endswith("RuntimeError: why")


def written(
    monkeypatch: pytest.MonkeyPatch,
    log_format: Literal["auto", "json", "text"],
    *,
    terminal: bool = False,
    level: Literal["debug", "info", "warning", "error"] = "info",
) -> str:
    """Log a few lines through the whole set-up and return what came out."""
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logging(log_format, level)
    logging.getLogger("featherbox").info("ours")
    logging.getLogger("featherbox").debug("detail")
    logging.getLogger("uvicorn.error").info("theirs")
    logging.getLogger("python_multipart.multipart").warning("what the client sent")
    logging.getLogger("PIL.PngImagePlugin").error("what the client sent")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("log_format", "terminal", "is_json"),
    [("json", True, True), ("text", False, False), ("auto", True, False), ("auto", False, True)],
)
def test_auto_is_text_on_a_terminal_and_json_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
    log_format: Literal["auto", "json", "text"],
    terminal: bool,
    is_json: bool,
) -> None:
    line = written(monkeypatch, log_format, terminal=terminal)
    assert line.startswith("{") == is_json


def test_libraries_that_quote_clients_are_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [json.loads(line)["message"] for line in written(monkeypatch, "json").splitlines()] == [
        "ours"
    ]


@pytest.mark.parametrize(
    ("level", "lines"), [("debug", ["ours", "detail"]), ("info", ["ours"]), ("error", [])]
)
def test_the_level_is_a_setting(
    monkeypatch: pytest.MonkeyPatch,
    level: Literal["debug", "info", "warning", "error"],
    lines: list[str],
) -> None:
    text = written(monkeypatch, "json", level=level)
    assert [json.loads(line)["message"] for line in text.splitlines()] == lines
