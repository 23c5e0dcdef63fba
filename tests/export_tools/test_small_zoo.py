"""The table of the small zoo: what is done once is found again, and how it is written."""

import csv
import io
from pathlib import Path

import pytest
from rich.console import Console

from export_tools.small_zoo_table import jobs
from export_tools.training.digits import SIDE
from export_tools.training.small_nets import NETS, TEACHER
from export_tools.training.small_table import Row, print_table, save_table, summarise
from export_tools.training.small_zoo import SmallNet, SmallZoo
from models import count_macs, list_models

TINY = SmallNet("tiny", "lightweight_cnn", 1, 1e-2)


def test_results_are_found_again_and_tabled(tmp_path: Path) -> None:
    told: list[str] = []
    zoo = SmallZoo(tmp_path / "kept", TINY, told.append, test_images=100)
    kinds = ("fp32", "int8", "pruned", "distilled")
    rows = [Row(TINY, 0, kind, getattr(zoo, kind)(TINY, 0)) for kind in kinds]
    assert told == [f"tiny, seed 0: {kind}" for kind in kinds]
    results = {row.kind: row.result for row in rows}
    assert results["pruned"].macs <= 0.5 * results["fp32"].macs
    assert results["pruned"].shapes
    assert results["int8"].graph != results["fp32"].graph
    again = SmallZoo(tmp_path / "kept", TINY, told.append, test_images=100)
    assert again.pruned(TINY, 0) == results["pruned"]
    assert len(told) == len(kinds)
    lines = summarise(rows, rounds=2)
    assert [line.kind for line in lines] == list(kinds)
    assert [line.speed is None for line in lines] == [True, False, False, True]
    assert lines[3].bytes == lines[0].bytes
    out = io.StringIO()
    print_table(Console(file=out, width=160), lines, results["fp32"])
    assert "pruned" in out.getvalue()
    page, file = tmp_path / "page.md", tmp_path / "table.csv"
    page.write_text("before\n<!-- small zoo -->\nold\n<!-- end of the small zoo -->\nafter\n")
    save_table(lines, results["fp32"], page, file)
    text = page.read_text()
    assert text.startswith("before\n<!-- small zoo -->\n")
    assert text.endswith("<!-- end of the small zoo -->\nafter\n")
    assert "old" not in text
    with file.open(newline="") as opened:
        table = list(csv.DictReader(opened))
    assert [row["kind"] for row in table] == list(kinds)
    assert float(table[0]["accuracy"]) == pytest.approx(results["fp32"].accuracy)


def test_every_architecture_is_in_the_table_and_small() -> None:
    # The sizes of EfficientNet-Lite differ in width and depth alone; the smallest stands for all.
    wanted = {name for name in list_models() if name not in _LARGER_LITES}
    assert {net.architecture for net in NETS} == wanted
    teacher = count_macs(TEACHER.build(), SIDE)
    for net in NETS:
        assert count_macs(net.build(), SIDE) < teacher


_LARGER_LITES = {f"efficientnet_lite{size}" for size in range(1, 5)}


def test_a_seed_of_all_nets_comes_before_the_next() -> None:
    order = list(jobs((TINY, TEACHER), 2))
    assert [seed for _, seed, _ in order] == [0] * 8 + [1] * 8 + [0] * 2
    assert order[0][2] == "fp32"
    assert order[-1][2] == "longer"
