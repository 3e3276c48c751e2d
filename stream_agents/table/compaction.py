"""The compaction of the table, which removes erased rows from its files."""

from mode import Service

from shared.settings import Settings
from stream_agents.table.rocksdb import Store

_HOUR = 3600.0


class Compaction(Service):
    """Compacts every partition often enough that an erased row is gone from the files in time."""

    def __init__(self, settings: Settings, rows: Store) -> None:
        super().__init__()
        self._rows = rows
        # Compacting twice in that time also removes rows in time that were erased just after a compaction.
        self._interval = settings.erasure_hours * _HOUR / 2

    @Service.task
    async def _compact(self) -> None:
        while not self.should_stop:
            await self.sleep(self._interval)
            for partition in self._rows.partitions:
                if not self.should_stop:
                    await self._rows.compact(partition)
