"""The page of the fault suite's outcomes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.chaos import Chaos
from tests.faults.scenarios import SCENARIOS, Scenario
from tests.faults.stack import STOP_DEADLINE, Stop
from tests.faults.trial import Outcome
from tests.harness import ROOT

PAGE: Path = ROOT / "docs" / "reliability.md"

_HEADER = """# Reliability

The outcome of every ECG while something broke, on three Kafka nodes (replication 3, two in sync), three workers and two
gateways on one machine of two cores. ECGs come at 50/s, or at 250/s where the table says so, half over HTTP with
retries, half produced directly, from before the fault until ten seconds after it; processes that end are started again
after two seconds. One run of `make test-faults` made this page.

- **lost**: accepted, and 404 to its owner. **wrong**: with other insights than its signal has. **stuck**: not 200
  within 90 s. **duplicated**: rows of ids that were never answered to anybody.
- **gaps**: rows and index entries that a worker's local copy lacks, or has stale or too many, below its position, by
  a comparison of every copy with the changelog.
- **failed queries**: not answered by either gateway, or with 503, of all that were made all the time for finished ECGs
  and for some that had been accepted just before. **unanswered**: the longest time for which one ECG was not answered.
  **unexpected**: answers that are not documented, and 404 for an accepted ECG at any moment.
- **behind**: seconds from the fault until no more submissions were uncommitted than come in 1.25 s. **killed**:
  processes killed on purpose, brokers left out. **ended by themselves**: gateways and workers that ended otherwise,
  or did not stop in order. **slowest stop**: seconds from SIGTERM or SIGINT until a gateway or worker had ended.

"""
_COLUMNS = (
    *(
        "accepted",
        "lost",
        "wrong",
        "stuck",
        "duplicated",
        "gaps",
        "unexpected",
        "failed queries",
        "unanswered",
        "behind",
    ),
    *("killed", "ended by themselves", "slowest stop"),
)
_STOPS = f"""
## Stops

Seconds from the signal until the process had ended, in each state; the deadline is {STOP_DEADLINE:.0f} s.

"""
_CHAOS = """
## Chaos

Kills, freezes and restarts of all processes at random moments, as `make test-chaos` makes them for as long as it is
told. The same seed makes the same faults.

"""


def line(row: Sequence[str]) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(row)} |"


def _table(first: tuple[str, ...], columns: tuple[str, ...], rows: list[list[str]]) -> str:
    rule = ["---"] * len(first) + ["--:"] * len(columns)
    return "\n".join(line(row) for row in ([*first, *columns], rule, *rows)) + "\n"


def cells(outcome: Outcome) -> list[str]:
    """Return an outcome as the cells of a table."""
    tally = outcome.tally
    counts = (outcome.accepted, tally.lost, tally.wrong, tally.stuck, tally.duplicated)
    return [
        *(f"{count:,}" for count in counts),
        str(outcome.comparison),
        f"{outcome.unexpected.total()}",
        f"{outcome.failed_queries:,} of {outcome.queries:,}",
        f"{outcome.unanswered_seconds:.1f} s",
        f"{outcome.behind_seconds:.0f} s",
        f"{outcome.restarts}",
        f"{len(outcome.ended)}",
        f"{outcome.slowest_stop:.1f} s",
    ]


@dataclass
class Report:
    """What the trials of a run had for outcomes."""

    scenarios: list[tuple[Scenario, Outcome]] = field(default_factory=list)
    chaos: list[tuple[Chaos, Outcome]] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether the run had everything that belongs on the page."""
        return len(self.scenarios) == len(SCENARIOS) and bool(self.chaos)

    def __str__(self) -> str:
        """Return the page."""
        text = _HEADER
        if self.scenarios:
            rows = [[scenario.label, *cells(outcome)] for scenario, outcome in self.scenarios]
            text += _table(("scenario",), _COLUMNS, rows)
        if stops := [stop for _, outcome in self.scenarios for stop in outcome.stops]:
            text += _STOPS + _table(("state", "process", "signal"), ("seconds",), _slowest(stops))
        if self.chaos:
            kinds = tuple(self.chaos[0][0].counts)
            rows = [
                [f"{chaos.seed}", f"{chaos.seconds:.0f}", *map(str, chaos.counts.values()), *cells(outcome)]
                for chaos, outcome in self.chaos
            ]
            text += _CHAOS + _table(("seed", "seconds"), kinds + _COLUMNS, rows)
        return text


def _slowest(stops: list[Stop]) -> list[list[str]]:
    """Return a row for each state, kind of process and signal, with the slowest stop."""
    slowest: dict[tuple[str, str, str], float] = {}
    for stop in stops:
        key = (stop.state, stop.process.rpartition("-")[0], stop.signal)
        slowest[key] = max(slowest.get(key, 0.0), stop.seconds)
    return [[*key, f"{seconds:.1f}"] for key, seconds in slowest.items()]
