"""Logging: one JSON object a line, or readable text on a terminal."""

import json
import logging
import sys
import time
from typing import Literal

# uvicorn tells of its own start and stop at info; ours say the same with more in them.
# The parsers of images and forms quote what clients sent.
_QUIETER = {
    "uvicorn": logging.WARNING,
    "PIL": logging.CRITICAL,
    "python_multipart": logging.CRITICAL,
}
# ASCII only: what a client sent must not steer the terminal that shows the log.
_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode
_ESCAPED = {code: f"\\x{code:02x}" for code in (*range(32), 127)}


class JsonFormatter(logging.Formatter):
    """One JSON object a line; what a caller put under `fields` becomes members."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        document: dict[str, object] = {
            "time": _utc(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return _encode(document)


class TextFormatter(logging.Formatter):
    """For people: time, level, message and the fields that matter."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with control characters of clients made visible."""
        fields: dict[str, object] = getattr(record, "fields", {})
        shown = " ".join(
            f"{key}={value}" for key, value in fields.items() if key not in _IN_MESSAGE
        )
        message = record.getMessage().translate(_ESCAPED)
        line = f"{_utc(record)[11:19]} {record.levelname.lower():7} {message} {shown}".rstrip()
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


_IN_MESSAGE = frozenset({"method", "path", "status"})


def _utc(record: logging.LogRecord) -> str:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{stamp}.{int(record.msecs):03d}Z"


def configure_logging(
    log_format: Literal["auto", "json", "text"],
    level: Literal["debug", "info", "warning", "error"],
) -> None:
    """Send all logs of this process to standard error in the format asked for."""
    text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextFormatter() if text else JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name, least in _QUIETER.items():
        logging.getLogger(name).setLevel(max(least, logging.root.level))
