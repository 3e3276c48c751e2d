"""Raw results as JSON, and the report made of them."""

from pathlib import Path

import msgspec

from benchmarks import accept, freshness, memory, parts, process, query, scale, targets
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
    "parts": parts,
}


class Results(msgspec.Struct):
    """One part's figures, where they were measured, and how much of the machine others used just before (0 to 1)."""

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
    """Return the parts that were not measured."""
    return [part for part in PARTS if not (directory / f"{part}.json").exists()]


def write(directory: Path, report: Path) -> None:
    """Write the report of all parts, and its plots into a folder of its name."""
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

One node of Apache Kafka 4.4, the load and what is measured share the machine; others used {100 * busy:.0f} % of it at
most when a part began. Contenders take turns in the same run. Figures are medians over rounds, with the least and the
most in brackets; ratios are taken round by round. Relations last, absolute figures depend on the machine.

"""
    return header + "\n".join(
        [targets.section(figures), *(module.section(figures, plots) for module in PARTS.values())]
    )
