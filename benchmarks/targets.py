"""The targets of the pipeline, and the reasons why it falls short of some, which are written by hand."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import accept, insights, memory, process, query
from benchmarks.markdown import figure, number, table
from benchmarks.run import Figures
from benchmarks.stats import Spread, spread


@dataclass(frozen=True)
class Target:
    """A bound on a figure's median; `why` gives the reason in case it is missed."""

    what: str
    reached: Callable[[Figures], Spread]
    bound: float
    unit: str
    at_least: bool = True
    why: str = ""

    def row(self, figures: Figures) -> list[str]:
        """Return the row of the table of targets."""
        reached = self.reached(figures)
        short = reached.median < self.bound if self.at_least else reached.median > self.bound
        return [
            self.what,
            f"{'≥' if self.at_least else '≤'} {number(self.bound)}{self.unit}",
            f"{figure(reached, self.unit)}{', **short**' if short else ''}",
            self.why if short else "",
        ]


def _ratio(key: str, to: str) -> Callable[[Figures], Spread]:
    return lambda figures: figures.ratio(key, to)


def _value(key: str) -> Callable[[Figures], Spread]:
    return lambda figures: figures.spread(key)


def _accept(size: str, peer: str) -> Callable[[Figures], Spread]:
    return _ratio(f"accept/{size}/{accept.OURS}/rate", f"accept/{size}/{peer}/rate")


def _process(load: str, peer: str) -> Callable[[Figures], Spread]:
    return _ratio(f"process/{load}/{process.OURS}/rate", f"process/{load}/{peer}/rate")


def _growth(name: str) -> Callable[[Figures], Spread]:
    return lambda figures: spread([memory.growth(figures, name)])


def _best_in_python(load: str) -> Callable[[Figures], Spread]:
    def reached(figures: Figures) -> Spread:
        ours = f"process/{load}/{process.OURS}/rate"
        return min((figures.ratio(ours, f"process/{load}/{peer}/rate") for peer in _PYTHON), key=lambda to: to.median)

    return reached


_PYTHON = ("naive Faust agent", "Quix Streams", "FastStream")
_WHY_ACCEPT = {
    "12x500": "A gateway takes a quarter of the plain service's CPU for a small ECG. HTTP (uvicorn) and the producer "
    "(aiokafka) alone take more than the tenth that the target leaves; the rest is mostly JSON, at simdjson's speed.",
    "12x5000": "Half of a gateway's CPU for a large ECG is JSON, at simdjson's speed; copies of 260 KB from the socket "
    "to the parser and of 120 KB to the broker are most of the rest.",
}
_WHY_TWO = "Gateways, broker and load share two cores, and one gateway takes a whole one: there is little for a second."
_WHY_QUIX = (
    "Quix Streams reads with librdkafka, in C, which by default does not check the records' CRCs. Here the records "
    "alone cost what *aiokafka alone* shows; half of that is copies and the check, which stays: these are health data."
)

_WHY_GROWTH = (
    "The tables' memory (`ECG_TABLE_MEMORY_BYTES`) fills as the table grows, and is bounded: with two million rows a "
    "worker has what is shown under Queries. Ten minutes were too short for it to be full."
)

TARGETS = (
    *(
        target
        for size, times in (("12x500", 10), ("12x5000", 14))
        for target in (
            Target(f"accepting {size} with one gateway, to the plain service", _accept(
                size, accept.PLAIN), times, "x", why=_WHY_ACCEPT[size]),
            Target(f"accepting {size} with two gateways, to the plain service", _ratio(
                f"accept/{size}/{accept.TWO}/rate", f"accept/{size}/{accept.PLAIN}/rate"), times, "x", why=_WHY_TWO),
            Target(f"p99 of accepting {size}, to the plain service", _ratio(
                f"accept/{size}/{accept.OURS}/p99", f"accept/{size}/{accept.PLAIN}/p99"), 1, "x", at_least=False),
        )
    ),
    *(
        Target(f"processing {size} as gateways publish it, to the naive Faust agent with JSON", _ratio(
            f"process/{size}/packed/{process.OURS}/rate", f"process/{size}/json/naive Faust agent/rate"), 5, "x")
        for size in ("12x500", "12x5000")
    ),
    *(
        Target(f"processing {size} {encoding}, to the fastest other in Python", _best_in_python(
            f"{size}/{encoding}"), 1, "x", why=_WHY_QUIX)
        for size in ("12x500", "12x5000") for encoding in ("json", "packed")
    ),
    Target("processing 12x5000 packed, to Kafka Streams", _process("12x5000/packed", "Kafka Streams (Java)"), 1, "x"),
    Target("processing 12x5000 packed, to a bare aiokafka", _process("12x5000/packed", "aiokafka alone"), 0.5, "x"),
    Target("processing 12x500 packed, to Faust writing a constant row", _process(
        "12x500/packed", "Faust, constant row"), 1, "x"),
    Target("freshness at 50 % load, p99", _value("freshness/50/p99"), 50, " ms", at_least=False),
    Target("p99 of queries, of the large table to the small one", _ratio(
        f"query/{query.MANY}/p99", f"query/{query.FEW}/p99"), 1.2, "x", at_least=False),
    *(
        Target(f"CPU of all insights of {size}", _value(
            f"insights/{size}/{insights.ALL}/cpu_ms"), most, " ms", at_least=False)
        for size, most in (("12x500", 1), ("12x5000", 3))
    ),
    Target("p99 of queries of a worker that is never idle, with all insights to zero crossings only", _ratio(
        f"insights/{insights.ALL}/busy_p99", f"insights/{insights.CROSSINGS}/busy_p99"), 1.2, "x", at_least=False),
    Target("a gateway's growth at half load", _growth("gateway"), 1, " MiB/min", at_least=False),
    Target("a worker's growth at half load", _growth("worker"), 1, " MiB/min", at_least=False, why=_WHY_GROWTH),
)  # fmt: skip


def section(figures: Figures) -> str:
    """Write the table of targets."""
    rows = [target.row(figures) for target in TARGETS]
    return "## Targets\n\n" + table(["", "target", "reached", "why short"], rows, texts=(0, 3))
