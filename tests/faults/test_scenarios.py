"""Nothing accepted is lost, whatever breaks: each fault on a replicated stack at work, every ECG checked."""

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from local_stack.kafka import Distribution
from tests.brokers import SECURE
from tests.faults.ledger import Ledger, Tally
from tests.faults.scenarios import SCENARIOS, WORST, Scenario
from tests.faults.stack import Stack, replicated_stack
from tests.faults.watch import LagWatch, QueryWatch
from tests.harness import ROOT

pytestmark = [pytest.mark.kafka, pytest.mark.faults]

ECGS = int(os.environ.get("ECG_FAULT_ECGS", "20000"))
RATE = float(os.environ.get("ECG_FAULT_RATE", "250"))
# "worst", or the names of some scenarios; only all of them make the page.
CHOSEN = os.environ.get("ECG_FAULTS", "")
SCENARIOS_RUN = WORST if CHOSEN == "worst" else [s for s in SCENARIOS if not CHOSEN or s.__name__ in CHOSEN.split(",")]
MAX_GATEWAY_RSS = 600 * 1024 * 1024
# Finished ECGs that are asked for all the time, and one of how many fresh ones that is.
FOLLOWED, FOLLOW_EVERY = 8, 20

# Offsets are committed every second: about so many submissions wait for it at any time.
USUAL_LAG = 1.25 * RATE

_HEADER = """# Reliability

What became of every ECG while something broke, on three Kafka nodes (replication 3, two in sync), three workers and two
gateways on one machine of two cores. {count:,} ECGs per scenario at {rate:.0f}/s, half over HTTP with retries, half
produced directly; processes that end are started again after two seconds. Made by `make test-faults`.

- **lost**: accepted, and 404 to its owner. **wrong**: with other insights than its signal has. **stuck**: not 200
  within 90 s. **duplicated**: rows of ids that were never answered to anybody.
- **failed queries**: not answered by either gateway, or with 503, of all that were made all the time for finished ECGs
  and for some that had been accepted just before. **gap**: the longest time for which one ECG was not answered.
- **behind**: seconds from the fault until no more submissions were uncommitted than come in 1.25 s. **restarts**: of
  processes that ended by themselves, or were killed.

| scenario | accepted | lost | wrong | stuck | duplicated | failed queries | gap | behind | restarts |
| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |
"""


@pytest.fixture(scope="module")
def report() -> Iterator[list[str]]:
    rows: list[str] = []
    yield rows
    text = _HEADER.format(count=ECGS, rate=RATE) + "\n".join(rows) + "\n"
    print("\n" + text)
    if not CHOSEN and not SECURE:
        (ROOT / "docs" / "reliability.md").write_text(text)


@pytest_asyncio.fixture(scope="module")
async def stack(kafka: Distribution, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with replicated_stack(kafka, tmp_path_factory.mktemp("faults")) as stack:
        yield stack


@pytest.mark.parametrize("scenario", SCENARIOS_RUN, ids=lambda scenario: scenario.__name__)
async def test_nothing_accepted_is_lost(stack: Stack, scenario: Scenario, report: list[str]) -> None:
    await stack.pipeline.ready(3)
    username, restarts = scenario.__name__, stack.restarts
    ledger = Ledger(stack.pipeline, await stack.pipeline.register(username), username)
    lag, queries = LagWatch(stack.pipeline), QueryWatch(stack.pipeline, ledger.token)
    async with lag.watching():
        await ledger.submit(range(200), RATE)
        await lag.caught_up()
        async with queries.watching(list(ledger.accepted)[:FOLLOWED]):
            sampled = itertools.count()
            ledger.on_accepted = lambda ecg_id: None if next(sampled) % FOLLOW_EVERY else queries.fresh(ecg_id)
            submitting = asyncio.create_task(ledger.submit(range(200, 200 + ECGS), RATE))
            await asyncio.sleep(3)
            broken = time.monotonic()
            await scenario(stack)
            await submitting
            await lag.caught_up()
        tally = await ledger.check()

    report.append(
        f"| {scenario.__doc__} | {tally.accepted:,} | {tally.lost} | {tally.wrong} | {tally.stuck} "
        f"| {tally.duplicated} | {queries.failed} of {queries.queries:,} | {queries.gap_seconds:.1f} s "
        f"| {lag.behind_until(broken, USUAL_LAG):.0f} s | {stack.restarts - restarts} |"
    )
    print(f"\n{report[-1]}")
    assert tally == Tally(accepted=ECGS + 200)
    for gateway in stack.pipeline.gateways:
        assert resident_bytes(gateway.running.pid) < MAX_GATEWAY_RSS


def resident_bytes(pid: int) -> int:
    """Return the peak of a process's memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    [peak] = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(peak) * 1024
