"""The compaction of the table."""

from mode import Service
from typing_extensions import override

from shared.security.data_keys import DataKeys
from shared.settings import Settings
from stream_agents.table.insights_table import InsightsTable

_HOUR = 3600.0


class Upkeep(Service):
    """Removes erased rows from the files of the table by compaction, and stops the view of data keys at the end."""

    def __init__(self, settings: Settings, table: InsightsTable, keys: DataKeys) -> None:
        super().__init__()
        self._table = table
        self._keys = keys
        # Compacting twice in that time also removes rows in time that were erased just after a compaction.
        self._interval = settings.erasure_hours * _HOUR / 2

    @Service.task
    async def _compact(self) -> None:
        while not self.should_stop:
            await self.sleep(self._interval)
            for partition in self._table.rows.partitions:
                if not self.should_stop:
                    await self._table.rows.compact(partition)

    @override
    async def on_stop(self) -> None:
        """Stop following the keys."""
        await self._keys.stop()
