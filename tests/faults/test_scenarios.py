"""No accepted ECG is lost, whatever breaks: each fault is made in a replicated stack at work, then all is checked."""

from pathlib import Path

import pytest

from tests.faults.report import Report, cells, line
from tests.faults.scenarios import SCENARIOS, Scenario
from tests.faults.stack import Stack
from tests.faults.trial import try_fault

pytestmark = [pytest.mark.kafka, pytest.mark.faults]

MAX_GATEWAY_RSS = 600 * 1024 * 1024


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_nothing_accepted_is_lost(stack: Stack, scenario: Scenario, report: Report) -> None:
    outcome = await try_fault(stack, scenario.name, scenario.fault, scenario.rate)
    report.scenarios.append((scenario, outcome))
    print(f"\n{line([scenario.label, *cells(outcome)])}", flush=True)
    assert not (found := outcome.faults()), found
    for gateway in stack.pipeline.gateways:
        assert resident_bytes(gateway.running.pid) < MAX_GATEWAY_RSS


def resident_bytes(pid: int) -> int:
    """Return the peak of a process's resident memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    [peak] = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(peak) * 1024
