"""What every test of the API checks at its end."""

import logging
from collections.abc import Iterator

import pytest

from service.logs import JsonFormatter, TextFormatter


@pytest.fixture(autouse=True)
def clean_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Check that no address, traceback or error got into the log, in either format.

    A model that fails to load may be an error. A test of a bug empties the log
    (`caplog.clear()`) after its own checks.
    """
    caplog.set_level(logging.DEBUG, "featherbox")
    yield
    for formatter in (JsonFormatter(), TextFormatter()):
        for record in caplog.get_records("call"):
            if record.name.startswith("featherbox"):
                line = formatter.format(record)
                assert record.levelno < logging.ERROR or record.name == "featherbox.models", line
                assert "0x" not in line
                assert "Traceback" not in line
