"""The search for late records in the changelog of partitions in which nothing else is written."""

from collections.abc import Mapping

import structlog
from aiokafka.errors import KafkaError
from faust.types import TP
from mode import Service

from stream_agents.faust_fixes.recovery import EndsOf
from stream_agents.table.insights_table import InsightsTable

log = structlog.get_logger(__name__)

_INTERVAL = 3.0


class LateRows(Service):
    """Has rows written again that another worker has overwritten late.

    Whoever writes to a partition meets such records by itself. This looks for those after the last write.

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
            positions = {p: self._table.rows.position(p) for p in self._table.rows.partitions if self._table.owns(p)}
            idle = {self._table.changelog_tp(p) for p, position in positions.items() if before.get(p) == position}
            before = positions
            try:
                await self._apply(idle)
            except KafkaError as error:
                log.warning("looking for late rows again after an error", error=repr(error))

    async def _apply(self, partitions: set[TP]) -> None:
        for tp, end in (await self._ends_of(partitions)).items() if partitions else ():
            await self._table.reader.reach(tp.partition, end)
            await self._table.write_again(tp.partition)
