"""Ways to teach side by side: each is trained in its own way, and judged by the spread."""

import io
from pathlib import Path

from rich.console import Console

from export_tools.distil_table import Outcome, Way, outcome, print_outcomes
from export_tools.torch_graph import one_thread
from export_tools.training.distil import Softening
from export_tools.training.small_zoo import SmallNet, SmallZoo

TINY = SmallNet("tiny", "lightweight_cnn", 1, 1e-2)


def test_each_way_is_trained_as_it_says(tmp_path: Path) -> None:
    told: list[str] = []

    def zoo(way: Way) -> SmallZoo:
        return SmallZoo(tmp_path, TINY, told.append, test_images=100, softening=way.softening)

    soft, hard = Way("soft", Softening(8.0, 1.0)), Way("hard", Softening(1.0, 0.0))
    with one_thread():
        found = [outcome(TINY, way, 1, zoo) for way in (soft, hard, soft)]
    # the student alone is also the teacher here, and what is there is found again
    assert told == ["tiny, seed 0: fp32", "tiny, seed 0: distilled", "tiny, seed 0: distilled"]
    assert found[0] == found[2]
    assert found[1].taught == found[1].alone  # alpha 0 is no teacher at all


def test_a_gain_counts_where_it_is_above_both_spreads() -> None:
    def row(*taught: float) -> Outcome:
        return Outcome("tiny", "way", (0.80, 0.82), taught)

    assert row(0.84, 0.86).beyond_spread
    assert not row(0.80, 0.90).beyond_spread
    assert not row(0.81, 0.83).beyond_spread
    out = io.StringIO()
    print_outcomes(Console(file=out, width=120), [row(0.84, 0.86)])
    assert "+4.0" in out.getvalue()
    assert "yes" in out.getvalue()
