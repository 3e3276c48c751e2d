"""The search for late records in the changelog of partitions in which nothing else is written."""

from collections.abc import Mapping

import structlog
from faust.types import TP
from mode import Service
from tenacity import RetryCallState, wait_fixed

from stream_agents.faust_fixes.producer import sending
from stream_agents.faust_fixes.recovery import EndsOf
from stream_agents.table.insights_table import InsightsTable

log = structlog.get_logger(__name__)

_INTERVAL = 3.0


class LateRows(Service):
    """Finds rows that another worker has overwritten late, and writes them again.

    The worker finds such records by itself when it writes to the same partition. This looks for them in the others.

    Args:
        table: whose changelog is read.
        ends_of: returns the end offsets of partitions.
    """

    def __init__(self, table: InsightsTable, ends_of: EndsOf) -> None:
        super().__init__()
        self._table = table
        self._ends_of = ends_of

    @Service.task
    async def _look(self) -> None:
        before: Mapping[int, int] = {}
        while not self.should_stop:
            await self.sleep(_INTERVAL)
            rows = self._table.rows
            positions = {p: rows.position(p) for p in rows.partitions if self._table.owns(p)}
            idle = {self._table.changelog_tp(p) for p, position in positions.items() if before.get(p) == position}
            before = positions
            async for attempt in sending(self._table.app, _tell_retry, wait=wait_fixed(_INTERVAL)):
                with attempt:
                    await self._apply(idle)

    async def _apply(self, partitions: set[TP]) -> None:
        for tp, end in (await self._ends_of(partitions)).items() if partitions else ():
            await self._table.reader.reach(tp.partition, end)
            await self._table.write_again(tp.partition)


def _tell_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("looking for late rows again after an error", error=repr(error))
