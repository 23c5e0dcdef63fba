"""Draw the trade-off curve, beside the figures of the SqueezeNet paper."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot, ticker

from export_tools.pack.points import Point, read_csv

# Iandola et al., 2016, https://arxiv.org/abs/1602.07360, table 2: SqueezeNet 1.0, a third of
# the weights kept, shared and retrained on ImageNet; its accuracy is that of the uncompressed net.
PAPER = {"8 bit": 0.66e6, "6 bit": 0.47e6}
_TICKS = [digit * power for power in (100, 1000, 10000) for digit in (1, 1.5, 2, 3, 4, 5, 7)]  # kB
_UNDATED = {".svg": {"Date": None}, ".png": {"Software": None}}
_COLOURS = ("#9aa5ad", "#c9a227", "#b5651d", "#3b6ea5", "#0b6e4f")


def draw(points: Sequence[Point], path: Path) -> None:
    """Write one panel a model: bytes, logarithmic, against agreement with fp32."""
    mpl.rcParams |= {"svg.hashsalt": "featherbox", "font.size": 9}
    models = list(dict.fromkeys(point.model for point in points))
    figure, panels = pyplot.subplots(
        1, len(models), figsize=(5.2 * len(models), 4), squeeze=False, layout="constrained"
    )
    for panel, model in zip(panels[0], models, strict=True):
        mine = [point for point in points if point.model == model and point.way != "fp32"]
        for way, colour in zip(dict.fromkeys(p.way for p in mine), _COLOURS, strict=False):
            line = sorted((p.file_bytes / 1e3, p.agreement) for p in mine if p.way == way)
            panel.plot(*zip(*line, strict=True), "o-", color=colour, label=way, markersize=3.5)
        if model.startswith("squeezenet"):
            for name, size in PAPER.items():
                panel.axvline(size / 1e3, color="#999999", linewidth=0.8, linestyle=":")
                place = (size / 1e3, 0.3)
                panel.annotate(f" paper, {name}", place, rotation=90, fontsize=7)
        panel.set(title=model, xlabel="archive, kB", ylabel="agreement with fp32", ylim=(0, 1.02))
        panel.set_xscale("log")
        least, most = panel.get_xlim()
        panel.set_xticks([size for size in _TICKS if least < size < most])
        panel.xaxis.set_major_formatter("{x:,.0f}")
        panel.xaxis.set_minor_locator(ticker.NullLocator())
        panel.grid(alpha=0.25)
        panel.legend(fontsize=7, frameon=False, loc="lower right")
    figure.savefig(path, dpi=110, metadata=_UNDATED.get(path.suffix))
    pyplot.close(figure)


if __name__ == "__main__":
    draw(read_csv(Path("docs/pack.csv")), Path("docs/images/pack.png"))
