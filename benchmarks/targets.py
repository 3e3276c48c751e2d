"""The targets of the pipeline, and the reasons why it falls short of some, which are written by hand.

A relation of the first page is a target too: it may have become worse by a tenth at most.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks import accept, insights, live, memory, page, process, query
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

    def short(self, figures: Figures) -> bool:
        """Return True if the target is missed, and False if it is reached or was not measured."""
        reached = self.reached(figures).median
        return reached < self.bound if self.at_least else reached > self.bound

    def row(self, figures: Figures) -> list[str]:
        """Return the row of the table of targets."""
        short = self.short(figures)
        return [
            self.what,
            f"{'≥' if self.at_least else '≤'} {number(self.bound)}{self.unit}",
            f"{figure(self.reached(figures), self.unit)}{', **short**' if short else ''}",
            self.why if short else "",
        ]


def _ratio(key: str, to: str) -> Callable[[Figures], Spread]:
    return lambda figures: figures.ratio(key, to)


def _value(key: str) -> Callable[[Figures], Spread]:
    return lambda figures: figures.spread(key)


def _accept(size: str, contender: str) -> Callable[[Figures], Spread]:
    return _ratio(f"accept/{size}/{contender}/rate", f"accept/{size}/{accept.PLAIN}/rate")


def _process(load: str, peer: str) -> Callable[[Figures], Spread]:
    return _ratio(f"process/{load}/{process.OURS}/rate", f"process/{load}/{peer}/rate")


def _growth(name: str, part: str = "memory") -> Callable[[Figures], Spread]:
    return lambda figures: spread([memory.growth(figures, name, part)])


def _best_in_python(load: str) -> Callable[[Figures], Spread]:
    def reached(figures: Figures) -> Spread:
        ours = f"process/{load}/{process.OURS}/rate"
        return min((figures.ratio(ours, f"process/{load}/{peer}/rate") for peer in _PYTHON), key=lambda to: to.median)

    return reached


_PYTHON = ("naive Faust agent", "Quix Streams", "FastStream")
_WHY_ACCEPT = (
    "HTTP (uvicorn) and the producer (aiokafka) alone take most of what the target leaves of the plain service's CPU; "
    "the rest is mostly JSON, at simdjson's speed, and copies."
)
_WHY_BATCHES = (
    "A twentieth of the plain service's CPU is 0.07 ms. Without HTTP too, each ECG is decoded and checked lead by lead "
    "(0.03 ms), packed and signed (0.03), and published with an acknowledgement of its own (0.05, aiokafka's share)."
)
_WHY_QUIX = (
    "Quix Streams reads with librdkafka, in C, which by default does not check the records' CRCs. Here the records "
    "alone cost what *aiokafka alone* shows; half of that is copies and the check, which stays: these are health data."
)
_WHY_MACHINE = (
    "Here a gateway's sockets take more of its time than on the first page's machine: paired by `BASE`, that page's "
    "code accepts as many (present 0.97x)."
)
_WHY_WORKER = (
    "The first page's machine spends less on copying: paired by `BASE`, the present code processes 0.95x (12x500) and "
    "0.77x (12x5000) of what its code does; since then freed memory is kept, 1.1x."
)
_WHY_WORKER_AND_QUIX = f"{_WHY_QUIX} {_WHY_WORKER}"
_WHY_LIVE = "Fifteen minutes, in which buffers and caches still fill: only a longer run can tell where it ends."
_WHY_FRESH = (
    "Gateway, broker, worker and load generator share two threads of one core, and wait for each other. The p50 and "
    "the p99 at a quarter of the load are shorter, see its table."
)

TARGETS = (
    *(
        Target(f"accepting {size}, {name}, to the plain service", _accept(
            size, contender), times, "x", why=why)
        for size, name, contender, times, why in (
            ("12x500", "JSON", accept.OURS, 6, _WHY_ACCEPT), ("12x500", "packed", accept.PACKED, 9, _WHY_ACCEPT),
            ("12x500", "packed, in batches", accept.BATCHES, 20, _WHY_BATCHES),
            ("12x5000", "JSON", accept.OURS, 11, _WHY_ACCEPT), ("12x5000", "packed", accept.PACKED, 20, _WHY_ACCEPT),
        )
    ),
    *(
        Target(f"processing {size} as gateways publish it, to the naive Faust agent with JSON", _ratio(
            f"process/{size}/packed/{process.OURS}/rate", f"process/{size}/json/naive Faust agent/rate"), 5, "x")
        for size in ("12x500", "12x5000")
    ),
    *(
        Target(f"processing {size} {encoding}, to the fastest other in Python", _best_in_python(
            f"{size}/{encoding}"), times, "x", why=_WHY_QUIX)
        for size, encoding, times in (
            ("12x500", "json", 1), ("12x500", "packed", 1), ("12x5000", "json", 1), ("12x5000", "packed", 0.9)
        )
    ),
    Target("processing 12x5000 packed, to Kafka Streams", _process("12x5000/packed", "Kafka Streams (Java)"), 1, "x"),
    Target("processing 12x5000 packed, to a bare aiokafka", _process("12x5000/packed", "aiokafka alone"), 0.5, "x"),
    Target("processing 12x500 packed, to Faust writing a constant row", _process(
        "12x500/packed", "Faust, constant row"), 1, "x"),
    Target("freshness at 50 % load, p99", _value(
        "freshness/50/p99"), 20, " ms", at_least=False, why=_WHY_FRESH),
    Target("p99 of queries, of the large table to the small one", _ratio(
        f"query/{query.MANY}/p99", f"query/{query.FEW}/p99"), 1.2, "x", at_least=False),
    *(
        Target(f"CPU of all insights of {size}", _value(
            f"insights/{size}/{insights.ALL}/cpu_ms"), most, " ms", at_least=False)
        for size, most in (("12x500", 1), ("12x5000", 3))
    ),
    Target("p99 of queries of a worker that is never idle, with all insights to zero crossings only", _ratio(
        f"insights/{insights.ALL}/busy_p99", f"insights/{insights.CROSSINGS}/busy_p99"), 1.2, "x", at_least=False),
    Target("a gateway's growth at half load", _growth("gateway"), 0.5, " MiB/min", at_least=False),
    Target("a worker's growth at half load", _growth("worker"), 0.5, " MiB/min", at_least=False),
    *(
        Target(f"live recordings at once with insights within a second (p99), {way}", _value(f"live/{way}/held"),
            live.TARGET, "")
        for way in live.WAYS
    ),
    *(
        Target(f"a {name}'s growth with {live.TARGET} live recordings", _growth(name, live.SUSTAINED_MEMORY),
            0.5, " MiB/min", at_least=False, why=_WHY_LIVE)
        for name in ("gateway", "worker")
    ),
    Target("insights of a day in one file", _value("day/seconds"), 120, " s", at_least=False),
    *(
        Target(f"a {name}'s memory with a day in one file", _value(f"day/{name}/mib"), 400, " MiB", at_least=False)
        for name in ("gateway", "worker")
    ),
    *(
        Target(f"opening on the page, {name}", _value(f"page/{name}/open_ms"), most, " ms", at_least=False)
        for name, most in ((page.SHEET, 300), (page.LONG, 500))
    ),
    *(
        # Chromium begins 60 frames a second: one in a second may be late.
        Target(f"frames a second on the page, {name}, {way}", _value(f"page/{name}/{way}/fps"), 59, "/s")
        for name in (page.SHEET, page.LONG) for way in page.WAYS
    ),
)  # fmt: skip

# What the first page reached, on another machine, of which only relations carry over. Those that became worse by more
# than a tenth are rows of the table.
_WORSE = 0.1
_FIRST = (
    ("accepting 12x500, JSON, to the plain service", _accept("12x500", accept.OURS), 4.94, _WHY_MACHINE),
    ("accepting 12x5000, JSON, to the plain service", _accept("12x5000", accept.OURS), 9.27, _WHY_MACHINE),
    ("processing 12x500 json, to the fastest other in Python", _best_in_python("12x500/json"), 1.25,
     _WHY_WORKER_AND_QUIX),
    ("processing 12x500 packed, to the fastest other in Python", _best_in_python("12x500/packed"), 0.82,
     _WHY_WORKER_AND_QUIX),
    ("processing 12x5000 json, to the fastest other in Python", _best_in_python("12x5000/json"), 1.81,
     _WHY_WORKER_AND_QUIX),
    ("processing 12x5000 packed, to the fastest other in Python", _best_in_python("12x5000/packed"), 0.75,
     _WHY_WORKER_AND_QUIX),
    ("processing 12x5000 packed, to Kafka Streams", _process("12x5000/packed", "Kafka Streams (Java)"), 3.21,
     _WHY_WORKER),
    ("processing 12x500 packed, to Faust writing a constant row", _process(
        "12x500/packed", "Faust, constant row"), 2.96, _WHY_WORKER),
)  # fmt: skip


def _no_worse() -> Iterator[Target]:
    for what, reached, first, why in _FIRST:
        yield Target(f"{what}, within a tenth of the first page", reached, first * (1 - _WORSE), "x", why=why)


def section(figures: Figures) -> str:
    """Write the table of targets."""
    rows = [target.row(figures) for target in (*TARGETS, *(kept for kept in _no_worse() if kept.short(figures)))]
    return f"""## Targets

The last rows, if any, are relations that became worse than on the first page by more than a tenth.

{table(["", "target", "reached", "why short"], rows, texts=(0, 3))}"""


def unexplained(figures: Figures) -> list[str]:
    """Return the targets that are missed and have no reason yet."""
    return [target.what for target in (*TARGETS, *_no_worse()) if target.short(figures) and not target.why]
