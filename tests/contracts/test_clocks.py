"""Deadlines, windows and intervals are measured on clocks that nobody can set.

The time of day is only shown: in the log and in request ids. A test that moves the box's clock
needs a library in front of libc; this shows the same from the code.
"""

import ast
from collections.abc import Iterator

from tests.support.process import ROOT

# Names of the time of day, and the functions of `service` that may ask for it.
TIME_OF_DAY = {"time", "time_ns", "gmtime", "localtime", "now", "utcnow", "today"}
SHOWN_ONLY = {
    ("service/api/record.py", "end"),  # of a log line
    ("service/api/record.py", "new_request_id"),
    ("service/logs.py", "_utc"),
}


def asks_for_time_of_day() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "service").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for node in ast.walk(function):
                if isinstance(node, ast.Attribute) and node.attr in TIME_OF_DAY:
                    yield str(path.relative_to(ROOT)), function.name


def test_the_time_of_day_is_only_shown() -> None:
    assert set(asks_for_time_of_day()) == SHOWN_ONLY


def test_the_clocks_are_called_by_their_module() -> None:
    for path in sorted((ROOT / "service").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.module not in {"time", "datetime"}, path
