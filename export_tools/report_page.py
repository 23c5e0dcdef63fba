"""The report's page: one HTML text with inline SVG, no script and no request, light or dark."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import ClassVar

from export_tools.evaluate import Accuracy, Agreement
from export_tools.report_plots import Dot, draw_bars, draw_scatter
from export_tools.sensitivity import Sensitivity
from export_tools.tables import share

_BARS = 16


@dataclass(frozen=True, slots=True)
class Row:
    """A step: what the model was after it. Milliseconds of one image on one thread."""

    step: str
    bytes: int
    parameters: int
    macs: int
    right: Accuracy
    found: Agreement
    p50_ms: float
    ratio: float

    COLUMNS: ClassVar[tuple[str, ...]] = (
        "step", "bytes", "parameters", "macs", "top1", "top5", "labelled_images", "agreement",
        "agreement_images", "agreement_sure", "sure_images", "p50_ms", "speed_ratio",
    )  # fmt: skip

    def cells(self) -> list[str | int]:
        """Return the row as the CSV has it."""
        right, found = self.right, self.found
        return [
            self.step, self.bytes, self.parameters, self.macs, right.top1, right.top5,
            right.images, found.same, found.images, found.sure_same, found.sure_images,
            f"{self.p50_ms:.3f}", f"{self.ratio:.3f}",
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Flip:
    """A view on which parent and child differ: a JPEG in base64, and three answers of each."""

    jpeg: str
    parent: Sequence[tuple[str, float]]
    child: Sequence[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Page:
    """All that the page shows."""

    title: str
    rows: Sequence[Row]
    sensitivity: Sensitivity | None
    flips: Sequence[Flip]
    without_vnni: Agreement | None


def render_page(page: Page) -> str:
    """Return the page as text."""
    parts = [_summary(page), _table(page.rows), _plots(page.rows)]
    if page.sensitivity is not None and page.sensitivity.layers:
        parts.append(_layers(page.sensitivity))
    parts.append(_flips(page))
    title = escape(page.title)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{title}: what compression cost</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{title}</h1>{''.join(parts)}</main></body></html>\n"
    )


def _summary(page: Page) -> str:
    first, last = page.rows[0], page.rows[-1]
    facts = [
        (f"{first.bytes / last.bytes:.1f}x", "smaller than fp32"),
        (f"{last.ratio:.2f}x", "the speed of fp32 on this host"),
        (f"{last.found.same}/{last.found.images}", "views with fp32's answer"),
        (f"{last.found.sure_same}/{last.found.sure_images}", "of those where fp32 is sure"),
    ]
    if page.without_vnni is not None:
        other = page.without_vnni
        facts.append((f"{other.same}/{other.images}", "predicted on a host without VNNI"))
    cards = (f"<div><b>{escape(big)}</b><span>{escape(small)}</span></div>" for big, small in facts)
    return f'<div class="cards">{"".join(cards)}</div>'


def _table(rows: Sequence[Row]) -> str:
    head = ("step", "bytes", "parameters", "MACs", "top-1", "top-5", "agreement",
            "where fp32 is sure", "p50 ms", "speed")  # fmt: skip
    lines = []
    for row in rows:
        right, found = row.right, row.found
        cells = (
            row.step, f"{row.bytes:,}", f"{row.parameters:,}", f"{row.macs:,}",
            share(right.top1, right.images), share(right.top5, right.images),
            share(found.same, found.images), share(found.sure_same, found.sure_images),
            f"{row.p50_ms:.2f}", f"{row.ratio:.2f}x",
        )  # fmt: skip
        lines.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    heads = "".join(f"<th>{escape(name)}</th>" for name in head)
    return (
        "<h2>What each step cost and gained</h2>"
        f'<div class="wide"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
        "<p>Each row is the model after that step. Latency is the median of one image on one "
        "thread; all steps were timed in turns. Small counts move by chance: a top-1 of twenty "
        "photos moves by 0.05 with each.</p>"
    )


def _plots(rows: Sequence[Row]) -> str:
    plots = _pair(rows, [r.found.same / max(1, r.found.images) for r in rows], "agreement")
    if all(row.right.images for row in rows):
        plots += _pair(rows, [r.right.top1 / r.right.images for r in rows], "top-1")
    return (
        "<h2>Quality against latency and size</h2>"
        f'<div class="two">{plots}</div>'
        "<p>Filled dots and the line are the Pareto front: no other step is better in both. "
        "Agreement is with fp32's answers, top-1 with the labels where there are any.</p>"
    )


def _pair(rows: Sequence[Row], shares: Sequence[float], called: str) -> str:
    """Draw one kind of quality against both costs."""
    by_time = [Dot(r.step, r.p50_ms, share_) for r, share_ in zip(rows, shares, strict=True)]
    by_size = [Dot(r.step, r.bytes / 1e6, share_) for r, share_ in zip(rows, shares, strict=True)]
    costs = ((by_time, "latency, ms"), (by_size, "file, MB"))
    return "".join(f"<figure>{draw_scatter(dots, cost, called)}</figure>" for dots, cost in costs)


def _layers(found: Sensitivity) -> str:
    shown = found.layers[:_BARS]
    bars = draw_bars([(_short(layer.weight), layer.gain) for layer in shown])
    return (
        "<h2>What rounding each layer costs</h2>"
        f"<figure>{bars}</figure>"
        f"<p>By how much the answers come nearer to fp32's when one layer is float and the others "
        f"stay int8, of a distance of {found.distance:.4f} (total variation, mean of "
        f"{found.images} views): the {len(shown)} largest of {len(found.layers)} layers. Left of "
        "the line: int8 happens to cancel another layer's error.</p>"
    )


def _flips(page: Page) -> str:
    last = page.rows[-1]
    count = last.found.images - last.found.same
    if not page.flips:
        return f"<h2>Where the answers differ</h2><p>On none of {last.found.images} views.</p>"
    cards = "".join(
        f'<div class="flip"><img alt="a view on which the models differ" width="112" height="112" '
        f'src="data:image/jpeg;base64,{flip.jpeg}">'
        f"{_answers('fp32', flip.parent)}{_answers(last.step, flip.child)}</div>"
        for flip in page.flips
    )
    return (
        f"<h2>Where the answers differ</h2><p>{count} of {last.found.images} views, those first "
        f'on which fp32 is surest.</p><div class="flips">{cards}</div>'
    )


def _answers(name: str, answers: Sequence[tuple[str, float]]) -> str:
    lines = "".join(
        f"<li><span>{escape(label)}</span><i>{value:.2f}</i></li>" for label, value in answers
    )
    return f"<div><b>{escape(name)}</b><ol>{lines}</ol></div>"


def _short(name: str) -> str:
    return name.removeprefix("net.").removesuffix(".weight").removeprefix("features.")


_STYLE = """
:root{color-scheme:light dark;--ink:#1c2024;--soft:#60646c;--line:#d9d9e0;--bg:#fff;--card:#f6f7f9;
--main:#0b68cb;--mark:#c2410c}
@media(prefers-color-scheme:dark){:root{--ink:#edeef0;--soft:#b0b4ba;--line:#3a3f45;--bg:#111113;
--card:#1b1d20;--main:#70b8ff;--mark:#ff9d5c}}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1080px;margin:0 auto;padding:24px}h1{font-size:26px;margin:0 0 16px}
h2{font-size:18px;margin:32px 0 8px}p{color:var(--soft);max-width:75ch}
.cards{display:flex;flex-wrap:wrap;gap:12px}.cards div{background:var(--card);border-radius:8px;
padding:12px 16px;flex:1 1 150px}.cards b{display:block;font-size:22px}
.cards span{color:var(--soft)}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
td,th{padding:6px 8px;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap;
font-size:13px}td:first-child,th:first-child{text-align:left;font-weight:600}th{color:var(--soft)}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:16px}
figure{margin:0}svg{width:100%;height:auto;display:block}svg text{fill:var(--ink);font-size:12px}
svg .soft{fill:var(--soft)}svg .axis{stroke:var(--line)}svg .front{stroke:var(--main);fill:none;
stroke-width:1.5}svg .dot{stroke:var(--main);stroke-width:2;fill:var(--bg)}
svg .best{fill:var(--main)}svg .bar{fill:var(--main)}svg .less{fill:var(--mark)}
.flips{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,480px),1fr));gap:12px}
.flip{display:grid;grid-template-columns:112px 1fr 1fr;gap:12px;background:var(--card);
border-radius:8px;padding:10px;font-size:13px}.flip img{border-radius:4px}
.flip ol{margin:2px 0 0;padding:0;list-style:none}.flip li{display:flex;gap:6px;
justify-content:space-between}.flip span{overflow-wrap:anywhere}.flip i{font-style:normal;
color:var(--soft);font-variant-numeric:tabular-nums}.flip b{color:var(--soft);font-weight:600}
.flip li:first-child{font-weight:600}
"""
