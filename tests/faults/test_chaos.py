"""No accepted ECG is lost while all processes fail at random times, for `ECG_CHAOS_SECONDS`, from a printed seed."""

import os
import random

import pytest

from tests.faults.chaos import Chaos
from tests.faults.report import Report
from tests.faults.scenarios import SHORT
from tests.faults.stack import Stack
from tests.faults.trial import try_fault

pytestmark = [pytest.mark.kafka, pytest.mark.faults]

SECONDS = float(os.environ.get("ECG_CHAOS_SECONDS") or (45 if SHORT else 180))
SEED = int(os.environ.get("ECG_CHAOS_SEED") or random.SystemRandom().randrange(1_000_000))
RATE = 30.0


async def test_chaos_loses_nothing(stack: Stack, report: Report) -> None:
    chaos = Chaos(SEED, SECONDS)
    print(f"\nChaos for {SECONDS:.0f} s; the same again: make test-chaos SECONDS={SECONDS:.0f} SEED={SEED}", flush=True)
    outcome = await try_fault(stack, "chaos", chaos, RATE)
    report.chaos.append((chaos, outcome))
    assert not (found := outcome.faults()), found
