"""The insights table: a Faust table whose changelog is written first."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from typing import Any, cast

import faust
from faust.types import TP, AppT, EventT
from faust.types.tuples import RecordMetadata
from yarl import URL

from shared.listing import Query, encode_page
from stream_agents import listing, metrics
from stream_agents.ends import Ends
from stream_agents.processing import Erased, Stored
from stream_agents.store import Store
from stream_agents.transport import Poll, Producer, polled
from stream_agents.waits import Waits

_POLL = 0.01


class InsightsTable(faust.Table):  # type: ignore[type-arg]  # not generic at run time
    """Rows by ECG id, JSON as bytes, partitioned like the submissions.

    Faust writes a row locally and sends its changelog record some time later. Here `store` first has the
    broker acknowledge the changelog records and then writes the rows: what a query has seen is durable.
    """

    def __init__(self, app: AppT, *, waits: Waits, memory: int, **options: Any) -> None:
        self.waits = waits
        self._memory = memory
        super().__init__(app, **options)

    @property
    def rows(self) -> Store:
        """The local store."""
        return cast("Store", self.data)

    def changelog_tp(self, partition: int) -> TP:
        """Return the changelog's partition of this number."""
        return TP(self.changelog_topic.get_topic_name(), partition)

    def find(self, partition: int, key: bytes) -> bytes | None:
        """Return a row, or None where there is none here."""
        return self.rows.get_row(partition, key) if self.rows.holds(partition) else None

    def page(self, query: Query, partitions: Sequence[int]) -> bytes:
        """Return the first rows of a user's list in those of the partitions that are open here, encoded."""
        open_here = [partition for partition in partitions if self.rows.holds(partition)]
        return encode_page(open_here, *listing.page(self.rows, query, open_here))

    async def catch_up(self, partitions: Sequence[int], ends: Ends) -> list[int]:
        """Return partitions once their local copies have every record that their changelogs had at the call.

        One whose copy is closed meanwhile is left out. A row is visible anywhere only after its record is in the
        changelog: a row that such a copy lacks had been seen by nobody.

        Raises:
            KafkaError: if the broker cannot be asked.
        """
        tps = {partition: self.changelog_tp(partition) for partition in partitions}
        at_call = await ends.of(tps.values())
        while True:
            tps = {partition: tp for partition, tp in tps.items() if self.rows.holds(partition)}
            if all(self._next_offset(tp) >= at_call[tp] for tp in tps.values()):
                return list(tps)
            await asyncio.sleep(_POLL)

    async def store(self, rows: Iterable[tuple[int, Stored | Erased]]) -> None:
        """Store rows, given with their partitions; when this returns they are durable and visible.

        Raises:
            KafkaError: if the broker does not acknowledge a changelog record; nothing is visible then.
        """
        by_partition: dict[int, list[Stored | Erased]] = defaultdict(list)
        for partition, stored in rows:
            by_partition[partition].append(stored)
        with metrics.changelog_seconds.time():
            logged = await asyncio.gather(*(self._log(*item) for item in by_partition.items()))
        actives = self.app.assignor.assigned_actives()
        for (partition, batch), offsets in zip(by_partition.items(), logged, strict=True):
            # A partition that moved away meanwhile is the new owner's to write.
            if self.changelog_tp(partition) in actives and self.rows.holds(partition):
                complete_to = self._complete_to(partition, offsets)
                self.rows.put_rows(partition, batch, complete_to)
                if self.waits:
                    self.waits.stored((row.key, row.row) for row in batch)

    def apply_changelog_batch(self, batch: Iterable[EventT[Poll]]) -> None:
        """Write changelog records that another worker made, as they come to a copy of its partition."""
        super().apply_changelog_batch(batch)
        if self.waits:
            records = (record for event in batch for record in polled(event))
            self.waits.stored((record.key, record.value) for record in records if record.value is not None)

    async def _log(self, partition: int, rows: Sequence[Stored | Erased]) -> list[int]:
        """Send rows to the changelog as batches, and return their offsets there."""
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

    def _complete_to(self, partition: int, offsets: list[int]) -> int | None:
        """Return the changelog offset up to which the local copy is complete, or None if it did not move.

        Another worker that was cut off from the group may still have written to the changelog. Its records
        are a gap in ours: recovery must start before the gap, so the mark stays there.
        """
        expected = self._next_offset(self.changelog_tp(partition))
        return offsets[-1] if offsets == list(range(expected, expected + len(offsets))) else None

    def _next_offset(self, tp: TP) -> int:
        persisted = self.persisted_offset(tp)
        return 0 if persisted is None else persisted + 1

    def _new_store(self) -> Any:
        return Store(
            URL("rocksdb://"),
            self.app,
            self,
            table_name=self.name,
            key_type=bytes,
            value_type=bytes,
            key_serializer="raw",
            value_serializer="raw",
            memory=self._memory,
        )
