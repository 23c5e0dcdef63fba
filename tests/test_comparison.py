"""Every yes of docs/comparison.md names a test that exists."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "comparison.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(test_\w+\.py)::(test_\w+)`", PAGE)


def test_every_row_about_us_names_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if re.match(r"\| [^|-]", line)]
    assert len(rows) == len(NAMED) == 22


def test_the_tests_that_are_named_exist() -> None:
    missing = [
        f"{file}::{name}"
        for file, name in NAMED
        if not any(
            f"def {name}(" in path.read_text(encoding="utf-8")
            for path in (ROOT / "tests").rglob(file)
        )
    ]
    assert missing == []
