"""Files and functions stay small enough to be read at once."""

import ast
from pathlib import Path

import pytest

from tests.support.process import ROOT

MOST_LINES_OF_A_FILE = 300
MOST_LINES_OF_A_FUNCTION = 50
PACKAGES = ("service", "models", "export_tools", "benchmarks", "tests")


def files_of(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_no_file_is_long(package: str) -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in files_of(package)
    }
    assert lengths
    assert {name: n for name, n in lengths.items() if n > MOST_LINES_OF_A_FILE} == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_function_is_long(package: str) -> None:
    found = {}
    for path in files_of(package):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MOST_LINES_OF_A_FUNCTION:
                    found[f"{path.relative_to(ROOT)}:{node.name}"] = lines
    assert found == {}
