"""Plots of the report, as reproducible SVG: the same figures make the same file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from benchmarks.markdown import number
from benchmarks.stats import Spread

mpl.rcParams["svg.hashsalt"] = "benchmarks"
mpl.rcParams["svg.fonttype"] = "none"
_COLOUR = "#3b6ea5"


def bars(path: Path, title: str, labels: Sequence[str], spreads: Sequence[Spread], log: bool = False) -> None:
    """Draw medians as bars, with the least and the most as error bars."""
    figure = Figure(figsize=(7, 0.8 + 0.32 * len(labels)), layout="constrained")
    axes = figure.add_subplot()
    medians = [spread.median for spread in spreads]
    errors = [[s.median - s.least for s in spreads], [s.most - s.median for s in spreads]]
    drawn = axes.barh(labels, medians, xerr=errors, color=_COLOUR, error_kw={"ecolor": "#333333", "capsize": 2})
    axes.bar_label(drawn, [number(median) for median in medians], padding=4, fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_title(title, fontsize=10, loc="left")
    axes.tick_params(labelsize=8)
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    _save(figure, path)


def lines(path: Path, title: str, times: Sequence[float], series: Mapping[str, Sequence[float]], unit: str) -> None:
    """Draw series over time (seconds)."""
    figure = Figure(figsize=(7, 2.6), layout="constrained")
    axes = figure.add_subplot()
    for name, values in series.items():
        axes.plot(times[: len(values)], values, label=name, linewidth=1)
    axes.set_ylim(bottom=0)
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel("s", fontsize=8)
    axes.set_ylabel(unit, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.legend(fontsize=8)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
