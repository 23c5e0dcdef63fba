"""Pictures from the CSV files: rivals as bars, latency, throughput and `auto` as curves.

Reads what --save wrote (compare-*.csv, growth-*.csv, auto-*.csv, the newest of each) and writes
SVG into docs/images/. Needs matplotlib, which nothing else here does: `featherbox[plots]`.
"""

import argparse
import csv
import statistics
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot
from matplotlib.axes import Axes

from benchmarks.results import say

_RESULTS = Path(__file__).parent / "results"
_OURS, _THEIRS, _INK = "#0b6e4f", "#9aa5ad", "#22292f"
_OTHERS = ("#c8553d", "#3d6fc8", "#9aa5ad")
_OUR_NAME = "featherbox"
_BARE = "in process"

Row = dict[str, str]


def main() -> None:
    """Draw what there is data for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=_RESULTS, help="folder of the CSV files")
    parser.add_argument(
        "--target", type=Path, default=Path("docs/images"), help="folder of the pictures"
    )
    parser.add_argument("--format", choices=["svg", "png"], default="svg")
    options = parser.parse_args()
    mpl.rcParams |= {
        "font.size": 10, "axes.spines.top": False, "axes.spines.right": False,
        "axes.edgecolor": _INK, "text.color": _INK, "svg.hashsalt": "featherbox",
        "figure.constrained_layout.use": True,
    }  # fmt: skip
    for benchmark, draw, name in (
        ("compare", draw_rivals, "performance-rivals"),
        ("growth", draw_growth, "performance-growth"),
        ("auto", draw_auto, "auto"),
    ):
        rows = newest(options.results, benchmark)
        if not rows:
            say(f"no {benchmark}-*.csv in {options.results}: run it with --save")
            continue
        draw(rows)
        path = options.target / f"{name}.{options.format}"
        metadata = {"Date": None} if options.format == "svg" else {}
        pyplot.savefig(path, dpi=120, metadata=metadata)
        pyplot.close()
        say(f"written: {path}")


def newest(folder: Path, benchmark: str) -> list[Row]:
    """Return the rows of the newest CSV of a benchmark, none if there is none."""
    files = sorted(folder.glob(f"{benchmark}-*.csv"), key=lambda path: path.stat().st_mtime)
    if not files:
        return []
    with files[-1].open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def draw_rivals(rows: Sequence[Row]) -> None:
    """Draw requests a second and the tail of every server, the fastest on top."""
    rates = medians(rows, "subject", "per_s")
    servers = [name for name in rates if not name.startswith(_BARE)]
    servers.sort(key=lambda name: rates[name])
    _, (left, right) = pyplot.subplots(1, 2, figsize=(9.5, 0.36 * len(servers) + 1.3), sharey=True)
    colours = [_OURS if name.startswith(_OUR_NAME) else _THEIRS for name in servers]
    bars = left.barh(servers, [rates[name] for name in servers], color=colours)
    paper = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    left.bar_label(bars, fmt="%.0f", padding=3, bbox=paper)
    job = rates.get("in process: the rivals' job")
    if job is not None:
        left.axvline(job, color=_INK, linewidth=1, linestyle=":")
        left.set_xlabel("requests/s, better of 1 and 4 clients\n(dotted: the same work, no server)")
    left.margins(x=0.12)
    for column, marker in (("four_p50_ms", "o"), ("four_p99_ms", "|")):
        values = medians(rows, "subject", column)
        right.scatter(
            [values[name] for name in servers], servers, color=colours, marker=marker,
            s=45 if marker == "o" else 160, zorder=3,
        )  # fmt: skip
    right.set_xlim(left=0)
    right.grid(axis="x", alpha=0.25)
    right.set_xlabel("latency at 4 clients, ms\n(dot: p50, stroke: p99)")


def draw_growth(rows: Sequence[Row]) -> None:
    """Draw how rate (above) and latency (below) grow with clients, image size and models."""
    _, panels = pyplot.subplots(2, 3, figsize=(10, 5), sharex="col")
    for (above, below), (axis, x, rate, label) in zip(
        panels.T,
        (
            ("clients", "clients", "goodput_per_s", "clients"),
            ("image size", "megapixels", "per_s", "megapixels of a photo"),
            ("models", "models", "per_s", "models, asked in turn"),
        ),
        strict=True,
    ):
        own = [row for row in rows if row["axis"] == axis]
        if not own:
            continue
        _draw_curve(above, own, x, rate, "-o", _OURS)
        _draw_curve(below, own, x, "p50_ms", "-o", _INK)
        _draw_curve(below, own, x, "p99_ms", ":", _INK)
        above.set_ylim(0, 1.1 * above.dataLim.ymax)
        if axis == "clients":
            below.set_yscale("log")
        else:
            below.set_ylim(0, 1.1 * below.dataLim.ymax)
        below.set_xlabel(label)
    panels[0][0].set_ylabel("answers/s")
    panels[1][0].set_ylabel("ms (line: p50, dots: p99)")
    panels[1][0].set_xlabel("clients (refusals count above 64)")


def _draw_curve(
    axes: Axes, rows: Sequence[Row], x: str, column: str, style: str, colour: str
) -> None:
    values = {float(key): value for key, value in medians(rows, x, column).items()}
    places = sorted(values)
    axes.plot(places, [values[place] for place in places], style, color=colour, markersize=4)
    axes.set_xscale("log", base=2)
    axes.set_xticks(places, [f"{place:.1f}" if place < 1 else f"{place:.0f}" for place in places])
    axes.minorticks_off()
    axes.grid(alpha=0.25)


def draw_auto(rows: Sequence[Row]) -> None:
    """Draw `auto` beside each model alone: kept promises, rate, tail, and who answered."""
    _, ((rate, kept), (tail, shares)) = pyplot.subplots(2, 2, figsize=(10, 6))
    asked = list(dict.fromkeys(row["asked"] for row in rows))
    for name, colour in zip(asked, (_OURS, *_OTHERS), strict=False):
        own = [row for row in rows if row["asked"] == name]
        for axes, column in ((rate, "in_time_per_s"), (kept, "kept"), (tail, "p99_ms")):
            _draw_ramp(axes, own, column, colour, name)
    ramp = medians([row for row in rows if row["asked"] == "auto"], "factor", "offered_per_s")
    most = rate.get_ylim()[1]
    rate.plot([float(f) for f in ramp], list(ramp.values()), ":", color=_INK, label="offered")
    rate.set_ylim(0, 1.15 * most)
    rate.set_ylabel("answers in time, a second")
    kept.axhline(0.99, color=_INK, linewidth=1, linestyle=":")
    kept.set_ylabel("share of the answers\nwithin the promise (dots: 0.99)")
    kept.set_ylim(0, 1.05)
    tail.axhline(float(rows[0]["promise_ms"]), color=_INK, linewidth=1, linestyle=":")
    tail.set_yscale("log")
    tail.set_ylabel("p99, ms (dots: the promise)")
    _draw_shares(shares, [row for row in rows if row["asked"] == "auto"], asked[1:])
    rate.legend(frameon=False, fontsize=8)
    for axes in (tail, shares):
        axes.set_xlabel("load, of the fastest model's capacity")


def _draw_ramp(axes: Axes, rows: Sequence[Row], column: str, colour: str, label: str) -> None:
    values = medians(rows, "factor", column)
    places = [float(key) for key in values]
    axes.plot(places, list(values.values()), "-o", color=colour, markersize=4, label=label)
    axes.set_xscale("log")
    axes.set_xticks(places, [f"{place:g}" for place in places], fontsize=7)
    axes.minorticks_off()
    axes.grid(alpha=0.25)


def _draw_shares(axes: Axes, rows: Sequence[Row], models: Sequence[str]) -> None:
    """Draw who answered with `auto`, and what was shed, as bars; the accuracy above them."""
    shed, accuracy = means(rows, "factor", "shed"), means(rows, "factor", "accuracy")
    places = [f"{float(key):g}" for key in shed]
    bottom = [0.0] * len(places)
    for model, colour in zip(models, _OTHERS, strict=False):
        given = means(rows, "factor", f"by {model}")
        heights = [given[key] * (1 - shed[key]) for key in shed]
        axes.bar(places, heights, bottom=bottom, color=colour, label=model)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    left = [1 - low for low in bottom]
    axes.bar(places, left, bottom=bottom, color="none", edgecolor=_INK, linewidth=0.5, label="shed")
    for place, value in enumerate(accuracy.values()):
        axes.annotate(f"{value:.2f}", (place, 1.01), ha="center", fontsize=8)
    axes.set_ylim(0, 1.25)
    axes.set_ylabel("of the requests, with auto\n(above: mean top-1 of who answered)")
    axes.legend(frameon=False, fontsize=8, ncols=3, loc="upper center")


def medians(rows: Sequence[Row], key: str, column: str) -> dict[str, float]:
    """Return the median of `column` for each value of `key`, in the order of the rows."""
    return {name: statistics.median(group) for name, group in _groups(rows, key, column).items()}


def means(rows: Sequence[Row], key: str, column: str) -> dict[str, float]:
    """Return the mean of `column` for each value of `key`: shares that sum up to 1 still do."""
    return {name: statistics.fmean(group) for name, group in _groups(rows, key, column).items()}


def _groups(rows: Sequence[Row], key: str, column: str) -> dict[str, list[float]]:
    values: dict[str, list[float]] = {}
    for row in rows:
        if row.get(column):
            values.setdefault(row[key], []).append(float(row[column]))
    return values


if __name__ == "__main__":
    main()
