"""Nothing accepted is lost, whatever breaks: each fault on a replicated stack at work, every ECG checked."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from local_stack.kafka import Distribution
from tests.faults.ledger import Ledger, Tally
from tests.faults.scenarios import SCENARIOS, WORST, Scenario
from tests.faults.stack import Stack, replicated_stack
from tests.harness import ROOT

pytestmark = [pytest.mark.kafka, pytest.mark.faults]

ECGS = int(os.environ.get("ECG_FAULT_ECGS", "20000"))
RATE = float(os.environ.get("ECG_FAULT_RATE", "200"))
SHORT = os.environ.get("ECG_FAULTS") == "worst"
MAX_GATEWAY_RSS = 600 * 1024 * 1024

_HEADER = """# Reliability

What became of every ECG while something broke, on three Kafka nodes (replication 3, two in sync), three workers and two
gateways on one machine of two cores. {count:,} ECGs per scenario at {rate:.0f}/s, half over HTTP with retries, half
produced directly; processes that end are started again after two seconds. Made by `make test-faults`.

- **lost**: accepted, and 404 to its owner. **stuck**: not 200 within 90 s. **duplicated**: rows of ids that were never
  answered to anybody. **query gap**: the longest time for which a finished ECG could not be read. **caught up**: from
  the fault until every submission was committed (the fault and the submissions themselves last a while).

| scenario | accepted | lost | wrong | stuck | duplicated | query gap | caught up | restarts |
| --- | --: | --: | --: | --: | --: | --: | --: | --: |
"""


@pytest.fixture(scope="module")
def report() -> Iterator[list[str]]:
    rows: list[str] = []
    yield rows
    text = _HEADER.format(count=ECGS, rate=RATE) + "\n".join(rows) + "\n"
    print("\n" + text)
    if not SHORT:
        (ROOT / "docs" / "reliability.md").write_text(text)


@pytest_asyncio.fixture(scope="module")
async def stack(kafka: Distribution, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with replicated_stack(kafka, tmp_path_factory.mktemp("faults")) as stack:
        yield stack


@pytest.mark.parametrize("scenario", WORST if SHORT else SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_nothing_accepted_is_lost(stack: Stack, scenario: Scenario, report: list[str]) -> None:
    await stack.pipeline.ready(3)
    username = scenario.__name__
    stack.ledger = Ledger(stack.pipeline, await stack.pipeline.register(username), username)
    tally, gaps, restarts = Tally(), [0.0], stack.restarts
    await stack.ledger.submit(range(200), RATE)
    await stack.caught_up()

    probing = asyncio.create_task(stack.probe_queries(gaps))
    submitting = asyncio.create_task(stack.ledger.submit(range(200, 200 + ECGS), RATE))
    await asyncio.sleep(2)
    broken = time.monotonic()
    await scenario(stack)
    await submitting
    await stack.caught_up()
    tally.catch_up_seconds = time.monotonic() - broken
    await stack.ledger.check(tally)
    # A gap that is still open when probing ends would not be counted; a finished ECG was just read.
    assert not probing.done(), probing.exception()
    probing.cancel()
    await asyncio.gather(probing, return_exceptions=True)
    tally.query_gap_seconds, tally.restarts = max(gaps), stack.restarts - restarts

    report.append(
        f"| {scenario.__doc__} | {tally.accepted:,} | {tally.lost} | {tally.wrong} | {tally.stuck} "
        f"| {tally.duplicated} | {tally.query_gap_seconds:.1f} s | {tally.catch_up_seconds:.0f} s | {tally.restarts} |"
    )
    print(f"\n{report[-1]}")
    assert tally.accepted == ECGS + 200
    assert (tally.lost, tally.wrong, tally.stuck, tally.duplicated) == (0, 0, 0, 0)
    for gateway in stack.pipeline.gateways:
        assert resident_bytes(gateway.running.pid) < MAX_GATEWAY_RSS


def resident_bytes(pid: int) -> int:
    """Return the peak of a process's memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    [peak] = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(peak) * 1024
