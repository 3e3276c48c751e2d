"""What the pipeline should reach, and why it does not where it falls short: written by hand, after looking."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import accept, freshness, process, query, scale
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


TARGETS = (
    Target("accepting 12x500, to the plain service", _accept("12x500", accept.PLAIN), 5, "x"),
    Target("accepting 12x5000, to the plain service", _accept("12x5000", accept.PLAIN), 8, "x"),
    Target("accepting 12x500, to the naive gateway", _accept("12x500", accept.NAIVE), 2, "x"),
    Target("accepting 12x5000, to the naive gateway", _accept("12x5000", accept.NAIVE), 4, "x"),
    Target("processing JSON 12x500, to the naive Faust agent", _process("12x500/json", "naive Faust agent"), 1.5, "x"),
    Target("processing JSON 12x5000, to the naive Faust agent", _process("12x5000/json", "naive Faust agent"), 3, "x"),
    Target("processing packed 12x500, to Kafka Streams", _process("12x500/packed", "Kafka Streams (Java)"), 1, "x"),
    Target("processing packed 12x5000, to Kafka Streams", _process("12x5000/packed", "Kafka Streams (Java)"), 1, "x"),
    Target("through the pipeline, to the naive one", _ratio(
        f"freshness/{freshness.OURS}/rate", f"freshness/{freshness.NAIVE}/rate"), 2, "x"),
    Target("freshness at 50 % load, p99", _value("freshness/50/p99"), 100, " ms", at_least=False),
    Target("queries of the large table, p99", _value(f"query/{query.MANY}/p99"), 10, " ms", at_least=False),
    Target("queries of the large table, to the small one's rate", _ratio(
        f"query/{query.MANY}/rate", f"query/{query.FEW}/rate"), 0.9, "x"),
    Target("two workers and gateways, to one of each", _ratio("scale/2/rate", "scale/1/rate"), 1.6, "x", why=(
        "One of each already keeps this machine's cores busy, with the broker and the load on the same ones: "
        "it needs a machine with more cores.")),
    Target("a gateway's growth at half load", _growth("gateway"), 1, " MiB/min", at_least=False),
    Target("a worker's growth at half load", _growth("worker"), 1, " MiB/min", at_least=False),
)  # fmt: skip


def section(figures: Figures) -> str:
    """Write the table of targets."""
    rows = [target.row(figures) for target in TARGETS]
    return "## Targets\n\n" + table(["", "target", "reached", "why short"], rows, texts=(0, 3))
