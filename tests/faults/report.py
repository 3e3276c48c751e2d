"""The page with the outcomes of the fault suite."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.chaos import Chaos
from tests.faults.scenarios import SCENARIOS, Scenario
from tests.faults.stack import STOP_DEADLINE, Stop
from tests.faults.trial import Outcome
from tests.support.paths import ROOT

PAGE: Path = ROOT / "docs" / "reliability.md"

_HEADER = """# Reliability

The outcome of every ECG and recording while something broke, on three Kafka nodes (replication 3, two in sync), three
workers and two gateways on one machine with two cores. ECGs are submitted at 50/s, or at 250/s where the table says so,
half over HTTP with retries, half produced directly, from before the fault until ten seconds after it. Four recordings
are sent meanwhile, each as a chunk a second, in the same two ways: in disorder, some chunks twice, some overlapping
others. Processes that end are started again after two seconds. This page is the result of one run of
`make test-faults`.

- **lost**: accepted, but 404 for its owner. **wrong**: with other insights than those of its signal. **stuck**: not 200
  within 90 s. **duplicated**: rows with ids that no client was given.
- **recordings lost**: 404 for their owner. **wrong**: with other zero crossings, beats or samples than were sent, or an
  answer that told less than an earlier one. **incomplete**: without some samples, or with gaps, refusals or revisions.
- **gaps**: rows (those of a recording's parts too) and index entries that are missing, stale or superfluous in a
  worker's local copy, as of its position, found by comparing every copy with the changelog. In the changelog, the last
  record of each row must be the one that counts.
- **failed queries**: queries without an answer from either gateway, with 503, or with an unexpected answer, out of all
  queries; these were made throughout, for finished ECGs, for some that were just accepted, and for the recordings.
  **unanswered**: the longest time for which all queries for one of them failed. **unexpected**: answers to submissions
  other than 201 and 503, and to queries other than 200, 503, and 202 for an ECG that was not finished.
- **behind**: how long after the fault the workers had caught up: when the messages of more than 1.25 s last waited.
  **killed**: processes killed on purpose, without brokers. **ended by themselves**: gateways and workers that ended
  otherwise, or stopped with an error. **slowest stop**: seconds from SIGTERM or SIGINT until the end of the process.

"""
_COLUMNS = (
    *(
        "accepted",
        "lost",
        "wrong",
        "stuck",
        "duplicated",
        "recordings lost, wrong, incomplete",
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

Seconds from the signal until the end of the process, in each state; the deadline is {STOP_DEADLINE:.0f} s.

"""
_CHAOS = """
## Chaos

Kills, freezes and restarts of all processes at random times; `make test-chaos` makes them for any length of time. The
same seed makes the same faults.

"""


def line(row: Sequence[str]) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(row)} |"


def _table(first: tuple[str, ...], columns: tuple[str, ...], rows: list[list[str]]) -> str:
    rule = ["---"] * len(first) + ["--:"] * len(columns)
    return "\n".join(line(row) for row in ([*first, *columns], rule, *rows)) + "\n"


def cells(outcome: Outcome) -> list[str]:
    """Return the cells of an outcome's row."""
    tally = outcome.tally
    counts = (outcome.accepted, tally.lost, tally.wrong, tally.stuck, tally.duplicated)
    return [
        *(f"{count:,}" for count in counts),
        str(outcome.recordings),
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
    """The outcomes of all trials of a run."""

    scenarios: list[tuple[Scenario, Outcome]] = field(default_factory=list)
    chaos: list[tuple[Chaos, Outcome]] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """True if the run had all scenarios and chaos."""
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
