"""A trial: submissions and queries while a fault is made, and then a check of all ECGs, recordings and copies."""

import asyncio
import itertools
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from functools import partial

from tests.faults.copies import Changelog, Comparison, compare
from tests.faults.ledger import Ledger, Tally
from tests.faults.recordings import CHUNKS_PER_SECOND, Recordings, RecordingTally
from tests.faults.scenarios import Fault
from tests.faults.stack import Stack, Stop
from tests.faults.watch import LagWatch, QueryWatch
from tests.support.conditions import eventually

# The number of finished ECGs that are queried throughout, and the interval of newly accepted ones that are queried too.
_FOLLOWED, _FOLLOW_EVERY = 8, 20
# Seconds of submissions before the queries begin, from then until the fault, and after it: longer than a fail-over.
_WARM_UP, _BEFORE, _AFTER = 4.0, 3.0, 10.0


@dataclass
class Outcome:
    """The outcome of a trial."""

    accepted: int = 0
    tally: Tally = field(default_factory=Tally)
    recordings: RecordingTally = field(default_factory=RecordingTally)
    comparison: Comparison = field(default_factory=Comparison)
    unexpected: Counter[int] = field(default_factory=Counter)
    queries: int = 0
    failed_queries: int = 0
    unanswered_seconds: float = 0.0
    behind_seconds: float = 0.0
    restarts: int = 0
    stops: list[Stop] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    # Steps of the trial that failed.
    errors: list[str] = field(default_factory=list)

    @property
    def slowest_stop(self) -> float:
        """The longest of all stops, in seconds."""
        return max((stop.seconds for stop in self.stops), default=0.0)

    def faults(self) -> str:
        """Return a text with everything that failed, empty if nothing did."""
        late = [f"{stop.process} took {stop.seconds:.1f} s to stop" for stop in self.stops if not stop.in_time]
        wrong = f"{self.tally}" if self.tally != Tally() else ""
        unexpected = f"unexpected answers by status: {dict(self.unexpected)}" if self.unexpected else ""
        found = [wrong, *self.recordings.details, self.comparison.details(), unexpected]
        return "\n".join(filter(None, [*found, *late, *self.ended, *self.errors]))


async def try_fault(stack: Stack, name: str, fault: Fault, rate: float) -> Outcome:
    """Submit ECGs (at a rate per second) and recordings while a fault is made and for some time after; then check all.

    Afterwards the stack is ready again. A step that fails is recorded in the outcome, and the trial goes on.
    """
    outcome = Outcome()
    await stack.all_back()
    restarts, stops, ended = stack.restarts, len(stack.stops), len(stack.ended)
    ledger = Ledger(stack.pipeline, await stack.pipeline.register(name), name)
    recordings = Recordings(stack.pipeline, ledger.token, name)
    lag, queries = LagWatch(stack.pipeline), QueryWatch(stack.pipeline, ledger.token)
    numbers = itertools.count()
    async with lag.watching():
        await recordings.begin()
        await ledger.submit(itertools.islice(numbers, int(_WARM_UP * rate)), rate)
        await lag.caught_up()
        followed = list(ledger.accepted)[:_FOLLOWED]
        async with queries.watching(followed, recordings.ids), asyncio.TaskGroup() as load:
            sampled = itertools.count()
            ledger.on_accepted = lambda ecg_id: None if next(sampled) % _FOLLOW_EVERY else queries.fresh(ecg_id)
            over = asyncio.Event()
            load.create_task(ledger.submit(itertools.takewhile(lambda _: not over.is_set(), numbers), rate))
            load.create_task(recordings.send(over))
            await asyncio.sleep(_BEFORE)
            broken = time.monotonic()
            try:
                await fault(stack)
            except Exception as error:
                outcome.errors += traceback.format_exception(error)
                # The submissions that go on need a gateway.
                stack.release_all()
            await asyncio.sleep(_AFTER)
            over.set()
        try:
            await stack.all_back()
            await lag.caught_up()
        except AssertionError as error:
            outcome.errors.append(str(error))
    outcome.tally = await ledger.check()
    outcome.recordings = await recordings.check()
    outcome.recordings.wrong += len(queries.went_back)
    outcome.recordings.details += queries.went_back
    try:
        await eventually(partial(_none_overwritten, stack.changelog), 60, 1.0, "a changelog whose last records count")
    except AssertionError as error:
        outcome.errors.append(str(error))
    outcome.comparison = await _compare_copies(stack)
    outcome.tally.duplicated = len(stack.changelog.ids_of(name) - {*ledger.accepted, *recordings.ids})
    outcome.accepted = len(ledger.accepted)
    outcome.unexpected = ledger.unexpected + recordings.unexpected + queries.unexpected
    outcome.queries, outcome.failed_queries = queries.queries, queries.failed
    outcome.unanswered_seconds = queries.unanswered_seconds
    # Offsets are committed every second, so that about this many messages are uncommitted at any time.
    outcome.behind_seconds = lag.behind_until(broken, 1.25 * (rate + CHUNKS_PER_SECOND))
    outcome.restarts = stack.restarts - restarts
    outcome.stops, outcome.ended = stack.stops[stops:], stack.ended[ended:]
    return outcome


async def _none_overwritten(changelog: Changelog) -> bool | None:
    await changelog.read_on()
    return None if changelog.overwritten() else True


async def _compare_copies(stack: Stack) -> Comparison:
    workers = stack.pipeline.workers
    await asyncio.gather(*(stack.stop(worker, "idle") for worker in workers))
    await stack.changelog.read_on()
    comparison = await compare(workers, stack.changelog)
    await stack.all_back()
    return comparison
