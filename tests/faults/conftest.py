"""One stack and one report for the whole fault suite."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from local_stack.kafka import Distribution
from tests.faults.report import PAGE, Report
from tests.faults.scenarios import SHORT
from tests.faults.stack import Stack, replicated_stack
from tests.support.brokers import SECURE


@pytest.fixture(scope="session")
def report() -> Iterator[Report]:
    """Collect the outcomes; print them at the end, and write the page if the run was a complete one."""
    report = Report()
    yield report
    print(f"\n{report}")
    if report.complete and not SHORT and not SECURE:
        PAGE.write_text(str(report))


@pytest_asyncio.fixture(scope="session")
async def stack(kafka: Distribution, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """One stack for all trials, each of which leaves it ready."""
    async with replicated_stack(kafka, tmp_path_factory.mktemp("faults")) as stack:
        yield stack
