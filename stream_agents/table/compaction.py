"""What a worker does beside its work, every now and then."""

from mode import Service

from shared.kafka.client_watch import watch
from shared.security.data_keys import DataKeys
from shared.settings import Settings
from stream_agents.table.insights_table import InsightsTable

_HOUR = 3600.0


class Upkeep(Service):
    """Has what was erased disappear from the files of the table, and lets go of the data keys at the end."""

    def __init__(self, settings: Settings, table: InsightsTable, keys: DataKeys) -> None:
        super().__init__()
        self._table = table
        self._keys = keys
        # Files are written anew twice in the time, and so is what was erased between the two.
        self._interval = settings.erasure_hours * _HOUR / 2

    @Service.task
    async def _compact(self) -> None:
        while not self.should_stop:
            await self.sleep(self._interval)
            for partition in self._table.rows.partitions:
                if not self.should_stop:
                    await self._table.rows.compact(partition)

    async def on_stop(self) -> None:
        """Stop following the keys."""
        await self._keys.stop()


class ClientWatch(Service):
    """Ends the worker when one of its Kafka clients has lost a task, and would wait for ever."""

    @Service.task
    async def _watch(self) -> None:
        await watch()
