"""Storing the raw results as JSON, and writing the report from them."""

from pathlib import Path

import msgspec

from benchmarks import accept, freshness, insights, memory, parts, process, query, scale, targets
from benchmarks.machine import describe
from benchmarks.recordings import source
from benchmarks.run import Figures

PARTS = {
    "accept": accept,
    "process": process,
    "freshness": freshness,
    "query": query,
    "scale": scale,
    "memory": memory,
    "insights": insights,
    "parts": parts,
}


class Results(msgspec.Struct):
    """The figures of a part, the machine, and the share (0 to 1) of it that other processes used just before."""

    machine: str
    signals: str
    busy: float
    figures: dict[str, list[float]]


def save(directory: Path, part: str, figures: Figures, busy: float) -> None:
    """Write a part's figures."""
    directory.mkdir(parents=True, exist_ok=True)
    results = Results(describe(), source(), busy, dict(figures.values))
    (directory / f"{part}.json").write_bytes(msgspec.json.format(msgspec.json.encode(results)))


def missing(directory: Path) -> list[str]:
    """Return the names of the parts that have not been measured."""
    return [part for part in PARTS if not (directory / f"{part}.json").exists()]


def write(directory: Path, report: Path) -> None:
    """Write the report of all parts, and its plots into a folder named after it."""
    results = [msgspec.json.decode((directory / f"{part}.json").read_bytes(), type=Results) for part in PARTS]
    figures = Figures({name: values for result in results for name, values in result.figures.items()})
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(render(figures, results, report.with_suffix("")))


def render(figures: Figures, results: list[Results], plots: Path) -> str:
    """Return the report's text, and draw its plots."""
    busy = max(result.busy for result in results)
    header = f"""# Benchmarks

Made by `make bench` on {results[0].machine}.
ECGs of twelve leads of 500 and 5000 samples: {results[0].signals}.

One node of Apache Kafka 4.4, the load generator and the measured processes share the machine; other processes used at
most {100 * busy:.0f} % of it when a part began. Contenders take turns in the same run. Figures are medians over rounds,
with the least and the most in brackets; ratios are computed round by round. Ratios carry over to other machines better
than absolute figures.

"""
    return header + "\n".join(
        [targets.section(figures), *(module.section(figures, plots) for module in PARTS.values())]
    )
