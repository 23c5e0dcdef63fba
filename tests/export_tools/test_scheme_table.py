"""The table of schemes has a row for each, with counts."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from export_tools import scheme_table
from export_tools.compress import Plan, compress_graph
from export_tools.draft import Draft
from export_tools.photos import gate_photos
from export_tools.scheme_table import FURTHER_PLANS, compare_schemes, print_schemes
from export_tools.schemes import COMPARED
from export_tools.views import ViewPolicy
from tests.export_tools.conftest import random_planes


@pytest.fixture(autouse=True)
def little_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheme_table, "CALIBRATION_VIEWS", ViewPolicy(per_photo=1, seed=1))
    monkeypatch.setattr(scheme_table, "GATE_VIEWS", ViewPolicy(per_photo=1, seed=1))
    monkeypatch.setattr(scheme_table, "_ROUNDS", 1)
    monkeypatch.setattr(scheme_table, "gate_photos", lambda: gate_photos()[:3])


def test_every_scheme_has_its_row(make_draft: Callable[[str], Draft], tiny_graph: bytes) -> None:
    said: list[str] = []
    mine = compress_graph(tiny_graph, list(random_planes(4)), Plan(), {})[0]
    rows = compare_schemes(make_draft("tiny"), said.append, further={"mine": mine})
    names = ["fp32", "fp16 weights", "fp16", "mine", *COMPARED, *FURTHER_PLANS]
    assert [row.name for row in rows] == said == names
    assert {row.found.images for row in rows} == {3}
    assert rows[0].found.same == 3
    saturating = {name for name, scheme in COMPARED.items() if scheme.saturates} | {
        "mine",
        *FURTHER_PLANS,
    }
    assert {row.name for row in rows if row.without_vnni is not None} == saturating
    file = io.StringIO()
    print_schemes(Console(file=file), rows)
    lines = file.getvalue().splitlines()
    assert len(lines) == 1 + len(names)
    assert lines[1].count("1.000 (3/3)") >= 1
    assert "the same" in lines[1]


def test_the_users_own_photos_are_looked_at(
    tmp_path: Path, make_draft: Callable[[str], Draft], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheme_table, "COMPARED", {})
    monkeypatch.setattr(scheme_table, "FURTHER_PLANS", {})
    for place, photo in enumerate(gate_photos()[:2]):
        (tmp_path / f"{place}.jpg").write_bytes(photo.path.read_bytes())
    rows = compare_schemes(make_draft("tiny"), lambda _: None, photos=tmp_path)
    assert {row.found.images for row in rows} == {2}
