"""Markdown for the report."""

import math
from collections.abc import Collection, Iterable, Sequence

from benchmarks.stats import Spread

_LARGE, _SMALL = 100, 10


def figure(spread: Spread, unit: str = "") -> str:
    """Format a median with its least and most, or say that there is none."""
    if math.isnan(spread.median):
        return "not measured"
    return f"{number(spread.median)}{unit} ({number(spread.least)}..{number(spread.most)})"


def ratio(spread: Spread) -> str:
    """Format a ratio with its least and most."""
    return figure(spread, "x")


def number(value: float) -> str:
    """Format a number with about three digits."""
    if abs(value) >= _LARGE:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= _SMALL else f"{value:.2f}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], texts: Collection[int] = (0,)) -> str:
    """Format a table; the columns that are not in `texts` (by default all but the first) are aligned as numbers."""
    lines = [header, ["---" if i in texts else "--:" for i in range(len(header))], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def bullets(texts: dict[str, str]) -> str:
    """Format a list of names with a text for each."""
    return "\n".join(f"- **{name}**: {text}" for name, text in texts.items()) + "\n"
