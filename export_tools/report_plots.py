"""Plots as inline SVG: dots with their Pareto front, and bars. Colours come from the page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 480, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 16, 16, 44
_ROW, _NAMES = 22, 200
_NAME, _LINE = 110, 14  # px that a dot's name takes


@dataclass(frozen=True, slots=True)
class Dot:
    """A point: less `x` (cost) is better, more `y` (quality) is better."""

    name: str
    x: float
    y: float


def pareto_front(dots: Sequence[Dot]) -> list[Dot]:
    """Return the dots that no other dot beats in both, from the cheapest on."""
    front: list[Dot] = []
    for dot in sorted(dots, key=lambda d: (d.x, -d.y)):
        if not front or dot.y > front[-1].y:
            front.append(dot)
    return front


def draw_scatter(dots: Sequence[Dot], x_title: str, y_title: str) -> str:
    """Draw dots with their names, the front filled and joined."""
    across = ticks(0.0, max(dot.x for dot in dots) * 1.2, 5)
    lowest, highest = min(dot.y for dot in dots), max(dot.y for dot in dots)
    margin = max(0.01, (highest - lowest) * 0.15)
    up = ticks(max(0.0, lowest - margin), min(1.0, highest + margin), 5)

    def place(dot: Dot) -> tuple[float, float]:
        x = _LEFT + dot.x / across[-1] * (_WIDTH - _LEFT - _RIGHT)
        y = _TOP + (up[-1] - dot.y) / (up[-1] - up[0]) * (_HEIGHT - _TOP - _BOTTOM)
        return x, y

    front = pareto_front(dots)
    marks = [_axes(across, up, x_title, y_title)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, front))
    marks.append(f'<polyline class="front" points="{line}"/>')
    names: list[tuple[float, float]] = []
    # Those of the front last: of dots on one place, theirs is seen.
    for dot in sorted(dots, key=lambda d: (d in front, -d.y)):
        x, y = place(dot)
        kind = "dot best" if dot in front else "dot"
        marks.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="5"/>')
        at = _free_row(x, y + 4, names)
        names.append((x, at))
        marks.append(f'<text x="{x + 10:.1f}" y="{at:.1f}">{escape(dot.name)}</text>')
    return _svg(_WIDTH, _HEIGHT, marks, f"{y_title} against {x_title}")


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return up to `most` + 1 round numbers that hold a range."""
    span = (high - low) or 1.0
    size = 10.0 ** math.floor(math.log10(span / most))
    step = next(size * n for n in (1, 2, 2.5, 5, 10) if size * n >= span / most - 1e-12)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def _free_row(x: float, y: float, taken: Sequence[tuple[float, float]]) -> float:
    """Return where a name does not lie on one that is there: at `y`, or below it."""
    while any(abs(x - other) < _NAME and abs(y - row) < _LINE - 0.1 for other, row in taken):
        y += 1
    return y


def draw_bars(bars: Sequence[tuple[str, float]]) -> str:
    """Draw horizontal bars with names; those below zero go left of the line."""
    width, height = 2 * _WIDTH, _ROW * len(bars) + 8
    least, most = min(0.0, *(v for _, v in bars)), max(0.0, *(v for _, v in bars))
    scale = (width - _NAMES - 150) / ((most - least) or 1.0)
    zero = _NAMES + 70 - least * scale
    marks = [f'<line class="axis" x1="{zero:.1f}" x2="{zero:.1f}" y1="0" y2="{height}"/>']
    for place, (name, value) in enumerate(bars):
        y = 4 + place * _ROW
        length = abs(value) * scale
        x = zero if value >= 0 else zero - length
        kind = "bar" if value >= 0 else "less"
        at, anchor = (zero + length + 6, "start") if value >= 0 else (x - 6, "end")
        marks += [
            f'<text x="{_NAMES}" y="{y + 14}" text-anchor="end">{escape(name)}</text>',
            f'<rect class="{kind}" x="{x:.1f}" y="{y + 3}" width="{length:.1f}" height="14"/>',
            f'<text class="soft" x="{at:.1f}" y="{y + 14}" text-anchor="{anchor}">'
            f"{value:+.4f}</text>",
        ]
    return _svg(width, height, marks, "gain of each layer in float")


def _axes(across: Sequence[float], up: Sequence[float], x_title: str, y_title: str) -> str:
    floor, end = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    marks = []
    for value in across:
        x = _LEFT + value / across[-1] * (end - _LEFT)
        marks.append(
            f'<text class="soft" x="{x:.1f}" y="{floor + 16}" text-anchor="middle">{value:g}</text>'
        )
    for value in up:
        y = _TOP + (up[-1] - value) / (up[-1] - up[0]) * (floor - _TOP)
        marks.append(f'<line class="axis" x1="{_LEFT}" x2="{end}" y1="{y:.1f}" y2="{y:.1f}"/>')
        marks.append(
            f'<text class="soft" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">'
            f"{round(value, 6):g}</text>"
        )
    middle = (_LEFT + end) / 2
    marks.append(
        f'<text class="soft" x="{middle}" y="{_HEIGHT - 8}" text-anchor="middle">'
        f"{escape(x_title)}</text>"
    )
    marks.append(
        f'<text class="soft" transform="translate(13 {(_TOP + floor) / 2}) rotate(-90)" '
        f'text-anchor="middle">{escape(y_title)}</text>'
    )
    return "".join(marks)


def _svg(width: int, height: int, marks: Sequence[str], title: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'
        f"{''.join(marks)}</svg>"
    )
