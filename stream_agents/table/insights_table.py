"""The insights table: a Faust table that writes its changelog first."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias, cast

import faust
from aiokafka.structs import ConsumerRecord
from faust.types import TP, AppT
from faust.types.tuples import RecordMetadata
from typing_extensions import override

from shared.settings import Settings
from shared.worker_protocol.listing import Query, encode_page
from stream_agents import metrics
from stream_agents.faust_fixes.producer import Producer
from stream_agents.processing.outcomes import Row
from stream_agents.table import owner_pages
from stream_agents.table.changelog import ChangelogReader
from stream_agents.table.rocksdb import Store

OnStored: TypeAlias = Callable[[Iterable[tuple[bytes, bytes]]], None]


class InsightsTable(faust.Table):  # type: ignore[type-arg]  # not generic at run time
    """Rows by ECG id, JSON as bytes, partitioned like the submissions.

    Faust writes a row locally and sends its changelog record some time later. Here `store` waits until the broker has
    acknowledged the changelog records, and only then writes the rows: any row that a query has seen is durable.

    Args:
        app: the worker's app.
        settings: of the worker.
        on_stored: is called with rows, given with their keys, when they have become visible here.
        options: of Faust's table.
    """

    def __init__(self, app: AppT, settings: Settings, on_stored: OnStored, **options: Any) -> None:
        super().__init__(app, **options)
        self._on_stored = on_stored
        self.rows = Store(app, self, app.conf.tabledir, settings.table_memory_bytes)
        self.reader = ChangelogReader(
            settings, self.changelog_topic.get_topic_name(), self.rows, on_applied=self._applied
        )

    @property
    @override
    def data(self) -> Store:  # type: ignore[override]  # Faust would create its own
        """The local store, which Faust starts, stops and assigns."""
        return self.rows

    def changelog_tp(self, partition: int) -> TP:
        """Return the changelog partition with this number."""
        return TP(self.changelog_topic.get_topic_name(), partition)

    def owns(self, partition: int) -> bool:
        """Return True if this worker has the open active copy of a partition, whose rows it writes, not a standby."""
        return self.changelog_tp(partition) in self.app.assignor.assigned_actives() and self.rows.holds(partition)

    def find(self, partition: int, key: bytes) -> bytes | None:
        """Return a row, or None if it is not here."""
        return self.rows.get_row(partition, key) if self.rows.holds(partition) else None

    def page(self, query: Query, partitions: Sequence[int]) -> bytes:
        """Return an encoded page of a user's list, from those of the partitions that are open here."""
        open_here = [partition for partition in partitions if self.rows.holds(partition)]
        return encode_page(open_here, *owner_pages.page(self.rows, query, open_here))

    async def store(self, rows: Iterable[tuple[int, Row]]) -> None:
        """Store rows, given with their partitions; when this returns they are durable and visible.

        Raises:
            KafkaError: if the broker does not acknowledge a changelog record; nothing is visible then.
        """
        by_partition: dict[int, list[Row]] = defaultdict(list)
        for partition, stored in rows:
            by_partition[partition].append(stored)
        with metrics.changelog_seconds.time():
            logged = await asyncio.gather(*(self._log(*item) for item in by_partition.items()))
        for (partition, batch), offsets in zip(by_partition.items(), logged, strict=True):
            # If the partition moved away meanwhile, its new owner writes the rows.
            if not self.owns(partition):
                continue
            position, end = self.rows.position(partition), offsets[-1] + 1
            if offsets == list(range(position, end)):
                self.rows.put_rows(partition, batch, end)
                self._on_stored((row.key, row.row) for row in batch if row.row is not None)
            else:
                # Other records are in between, of a failed attempt or of a worker that was cut off from the group.
                await self.reader.reach(partition, end)

    def _applied(self, records: Sequence[ConsumerRecord]) -> None:
        self._on_stored((record.key, record.value) for record in records if record.value is not None)

    async def _log(self, partition: int, rows: Sequence[Row]) -> list[int]:
        """Send rows to the changelog in batches, and return their offsets."""
        client = cast("Producer", self.app.producer).client
        topic = self.changelog_topic.get_topic_name()
        sent: list[tuple[int, asyncio.Future[RecordMetadata]]] = []
        waiting = deque(rows)
        while waiting:
            batch = client.create_batch()
            while waiting and batch.append(timestamp=None, key=waiting[0].key, value=waiting[0].row):
                waiting.popleft()
            sent.append((batch.record_count(), await client.send_batch(batch, topic, partition=partition)))
        acknowledged = await asyncio.gather(*(future for _, future in sent))
        return [
            metadata.offset + i for (count, _), metadata in zip(sent, acknowledged, strict=True) for i in range(count)
        ]
