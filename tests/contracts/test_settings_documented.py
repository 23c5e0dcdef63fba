"""Every setting has one name everywhere, a sentence that explains it, and a row in the docs."""

import re

import pytest
from typer.testing import CliRunner

from service import cli
from service.settings import Settings
from tests.support.process import ROOT

FIELDS = Settings.model_fields
TABLE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def help_text() -> str:
    """Return the help of `serve`, its boxes and line breaks taken out."""
    shown = CliRunner().invoke(cli.app, ["serve", "--help"], env={"COLUMNS": "400"}).output
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", shown).split())


@pytest.mark.parametrize("name", FIELDS)
def test_a_setting_is_explained_in_one_sentence(name: str) -> None:
    description = FIELDS[name].description or ""
    assert description.endswith(".")
    assert description[0].isupper()


@pytest.mark.parametrize("name", FIELDS)
def test_a_setting_is_a_flag_with_its_variable_and_sentence(name: str, help_text: str) -> None:
    assert f"--{name.replace('_', '-')} " in help_text
    assert f"env: FEATHERBOX_{name.upper()};" in help_text
    assert " ".join((FIELDS[name].description or "").split()) in help_text


@pytest.mark.parametrize("name", FIELDS)
def test_a_setting_is_in_the_table_of_the_docs(name: str) -> None:
    (row,) = re.findall(rf"^\| `FEATHERBOX_{name.upper()}` \|.*$", TABLE, re.MULTILINE)
    assert row.endswith(f"| {FIELDS[name].description} |")


def test_the_docs_name_no_setting_that_is_not_there() -> None:
    written = set(re.findall(r"^\| `FEATHERBOX_(\w+)`", TABLE, re.MULTILINE))
    assert written == {name.upper() for name in FIELDS}
