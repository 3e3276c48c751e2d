"""The insights table: a Faust table that writes its changelog first."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias, cast

import faust
import structlog
from aiokafka.producer.message_accumulator import BatchBuilder
from faust.types import TP, AppT
from faust.types.tuples import RecordMetadata
from typing_extensions import override

from shared.messages.insights import MESSAGE_OFFSET_HEADER
from shared.settings import Settings
from shared.worker_protocol.listing import Query, encode_page
from stream_agents import metrics
from stream_agents.faust_fixes.producer import Producer
from stream_agents.processing.outcomes import Row
from stream_agents.table import owner_pages
from stream_agents.table.changelog import ChangelogReader
from stream_agents.table.rocksdb import Store

log = structlog.get_logger(__name__)

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
        self.reader = ChangelogReader(settings, self.changelog_topic.get_topic_name(), self.rows, on_applied=on_stored)

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
                self._on_stored(self.rows.put_rows(partition, batch, end))
            else:
                # Other records are in between, of a failed attempt or of a worker that was cut off from the group.
                await self.reader.reach(partition, end)
            await self.write_again(partition)

    async def write_again(self, partition: int) -> None:
        """Write the rows again whose latest record in the changelog is one of an earlier message.

        Otherwise compaction would keep only that record, and new copies would have its row.

        Raises:
            KafkaError: if the broker does not acknowledge a record.
        """
        while self.owns(partition) and (rows := self.rows.overwritten(partition)):
            metrics.rows_written_again.inc(len(rows))
            log.warning("writing rows again after late records", partition=partition, rows=len(rows))
            offsets = await self._log(partition, rows)
            await self.reader.reach(partition, offsets[-1] + 1)

    async def _log(self, partition: int, rows: Sequence[Row]) -> list[int]:
        """Send rows to the changelog in batches, and return their offsets."""
        client = cast("Producer", self.app.producer).client
        topic = self.changelog_topic.get_topic_name()
        sent: list[tuple[int, asyncio.Future[RecordMetadata]]] = []
        waiting = deque(rows)
        while waiting:
            batch = client.create_batch()
            while waiting and _append(batch, waiting[0]):
                waiting.popleft()
            sent.append((batch.record_count(), await client.send_batch(batch, topic, partition=partition)))
        acknowledged = await asyncio.gather(*(future for _, future in sent))
        return [
            metadata.offset + i for (count, _), metadata in zip(sent, acknowledged, strict=True) for i in range(count)
        ]


def _append(batch: BatchBuilder, row: Row) -> bool:
    """Add a row to a batch of records; return False if the batch is full."""
    headers = [(MESSAGE_OFFSET_HEADER, str(row.offset).encode())]
    return batch.append(timestamp=None, key=row.key, value=row.row, headers=headers) is not None
