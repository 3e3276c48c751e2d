"""Storing the raw results as JSON, and writing the report from them.

The results that the report shows are kept beside its plots: a part that is measured again by itself replaces its own
section only, which says when and of which commit it is.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import msgspec

from benchmarks import (
    accept,
    day,
    freshness,
    insights,
    live,
    memory,
    options,
    page,
    parts,
    process,
    query,
    scale,
    targets,
)
from benchmarks.ecgs import source
from benchmarks.machine import describe
from benchmarks.run import Figures

PARTS = {
    "accept": accept,
    "process": process,
    "freshness": freshness,
    "query": query,
    "scale": scale,
    "live": live,
    "day": day,
    "memory": memory,
    "insights": insights,
    "options": options,
    "parts": parts,
    "page": page,
}


class Results(msgspec.Struct):
    """The figures of a part, where and of which commit they are, and the share (0 to 1) of the machine in other use.

    A figure of a round that is NaN, as a latency without an answer in time, is read as None: JSON has no NaN.
    """

    date: str
    commit: str
    machine: str
    signals: str
    busy: float
    figures: Mapping[str, Sequence[float | None]]

    @property
    def origin(self) -> str:
        """The line below a section's title."""
        return (
            f"*Measured on {self.date}, commit {self.commit}, on {self.machine}; ECGs: {self.signals}. Other processes "
            f"used {100 * self.busy:.0f} % of the machine when the part began.*"
        )


def save(results: Path, part: str, figures: Figures, *, commit: str, busy: float) -> None:
    """Write a part's figures into the folder of results."""
    results.mkdir(parents=True, exist_ok=True)
    result = Results(date.today().isoformat(), commit, describe(), source(), busy, figures.values)
    (results / f"{part}.json").write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")


def load(results: Path) -> dict[str, Results]:
    """Return the results of all parts that have been measured."""
    files = {part: results / f"{part}.json" for part in PARTS}
    return {part: msgspec.json.decode(file.read_bytes(), type=Results) for part, file in files.items() if file.exists()}


def collect(results: Mapping[str, Results]) -> Figures:
    """Return the figures of all parts together."""
    return Figures(
        {
            name: [math.nan if value is None else value for value in values]
            for result in results.values()
            for name, values in result.figures.items()
        }
    )


def render(figures: Figures, results: Mapping[str, Results], plots: Path) -> str:
    """Return the report's text, and draw its plots."""
    text = f"""# Benchmarks

Made by `make bench`. ECGs have twelve leads of 500 or 5000 samples. One node of Apache Kafka 4.4, the load generator
and the measured processes share the machine. Contenders take turns in the same run. Figures are medians over rounds,
with the least and the most in brackets; ratios are computed round by round. Ratios carry over to other machines better
than absolute figures. The figures of all rounds are beside the plots, as JSON.

{targets.section(figures)}"""
    for part, result in results.items():
        title, _, rest = PARTS[part].section(figures, plots).partition("\n")
        text += f"\n{title}\n\n{result.origin}\n{rest}"
    return text
