"""What the pipeline should reach, and why it does not where it falls short: written by hand, after looking."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import accept, process, query, scale
from benchmarks.markdown import figure, number, table
from benchmarks.run import Figures
from benchmarks.stats import Spread, spread


@dataclass(frozen=True)
class Target:
    """A bound on a figure's median; `why` says what stands in the way of it."""

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
    return lambda figures: spread([scale.growth(figures, name)])


def _best_in_python(load: str) -> Callable[[Figures], Spread]:
    def reached(figures: Figures) -> Spread:
        ours = f"process/{load}/{process.OURS}/rate"
        return min((figures.ratio(ours, f"process/{load}/{peer}/rate") for peer in _PYTHON), key=lambda to: to.median)

    return reached


_PYTHON = ("naive Faust agent", "Quix Streams", "FastStream")
_CORES = "The broker and the load share this machine's two cores with the gateway: it cannot have one of its own."

TARGETS = (
    Target("accepting 12x500, to the plain service", _accept("12x500", accept.PLAIN), 10, "x", why=_CORES),
    Target("accepting 12x5000, to the plain service", _accept("12x5000", accept.PLAIN), 14, "x", why=_CORES),
    *(
        Target(f"processing {size} as gateways publish it, to the naive Faust agent with JSON", _ratio(
            f"process/{size}/packed/{process.OURS}/rate", f"process/{size}/json/naive Faust agent/rate"), 5, "x")
        for size in ("12x500", "12x5000")
    ),
    *(
        Target(f"processing {size} {encoding}, to the fastest other in Python", _best_in_python(
            f"{size}/{encoding}"), 1, "x")
        for size in ("12x500", "12x5000") for encoding in ("json", "packed")
    ),
    Target("processing 12x5000 packed, to Kafka Streams", _process("12x5000/packed", "Kafka Streams (Java)"), 1, "x"),
    Target("processing 12x5000 packed, to a bare aiokafka", _process("12x5000/packed", "aiokafka alone"), 0.5, "x"),
    Target("processing 12x500 packed, to Faust writing a constant row", _process(
        "12x500/packed", "Faust, constant row"), 1, "x"),
    Target("freshness at 50 % load, p99", _value("freshness/50/p99"), 50, " ms", at_least=False),
    Target("p99 of queries, of the large table to the small one", _ratio(
        f"query/{query.MANY}/p99", f"query/{query.FEW}/p99"), 1.2, "x", at_least=False),
    Target("a gateway's growth at half load", _growth("gateway"), 1, " MiB/min", at_least=False),
    Target("a worker's growth at half load", _growth("worker"), 1, " MiB/min", at_least=False),
)  # fmt: skip


def section(figures: Figures) -> str:
    """Write the table of targets."""
    rows = [target.row(figures) for target in TARGETS]
    return "## Targets\n\n" + table(["", "target", "reached", "why short"], rows, texts=(0, 3))
