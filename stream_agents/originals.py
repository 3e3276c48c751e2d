"""Records that were processed before, read again from their topics: ECGs to compute again, and earlier chunks."""

from collections.abc import Sequence

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from mode import Service
from typing_extensions import override

from shared.chunk import MAX_SECONDS
from shared.kafka.record_reader import new_record_reader, read_record, start
from shared.kafka.topics import Topics
from shared.messages.recordings import CHUNK, MINUTE, decode_place, parts_prefix
from shared.settings import Settings
from stream_agents.processing.batch_processor import BatchProcessor, Rows
from stream_agents.processing.chunk_processor import Earlier, Lacking
from stream_agents.processing.record import Record, received
from stream_agents.table.recording_parts import parts
from stream_agents.table.rocksdb import Store

# Of the longest recording, its last minute included.
_MOST_MINUTES = int(MAX_SECONDS) // 60 + 1


class Originals(Service):
    """Reads the records that recomputations name, and those that hold a recording's earlier samples.

    Args:
        settings: of the worker.
        topics: of the deployment.
        processor: knows which rows are outdated, and opens chunks.
        rows: the table's.
    """

    def __init__(self, settings: Settings, topics: Topics, processor: BatchProcessor, rows: Store) -> None:
        super().__init__()
        self._settings = settings
        self._submissions = topics.submissions.all_partitions()
        self._chunks = topics.chunks.all_partitions()
        self._processor = processor
        self._rows = rows
        self._reader: AIOKafkaConsumer | None = None

    async def in_place(self, records: Sequence[Record]) -> list[Record]:
        """Return records with the original in place of each recomputation, which is left out if there is nothing to do.

        Raises:
            KafkaError: if the broker does not answer.
        """
        found: list[Record] = []
        for record in records:
            if not record.is_recomputation:
                found.append(record)
            elif (offset := self._processor.outdated_at(record)) is not None:
                original = await self._read(self._submissions[record.partition], offset)
                if original is not None:
                    found.append(msgspec.structs.replace(original, recomputes=True))
        return found

    async def earlier(self, lacking: Lacking, rows: Rows) -> Earlier:
        """Return what a record lacks: chunks as far as they are kept and can be opened, and the rows of minutes.

        Args:
            lacking: tells which.
            rows: of the outcomes that are not stored yet.

        Raises:
            KafkaError: if the broker does not answer.
        """
        offsets = set()
        for first, end in lacking.need.ranges:
            places = map(decode_place, self._parts(lacking, rows, CHUNK, range(first, end)))
            offsets |= {place.offset for place in places if place.first < end and place.first + place.count > first}
        partition = self._chunks[lacking.record.partition]
        found = [await self._read(partition, offset) for offset in sorted(offsets)]
        chunks = [self._processor.chunk(record) for record in found if record is not None]
        minutes = self._parts(lacking, rows, MINUTE, range(_MOST_MINUTES)) if lacking.need.minutes else []
        return Earlier(lacking.need, tuple(chunk for chunk in chunks if chunk is not None), tuple(minutes))

    def _parts(self, lacking: Lacking, rows: Rows, kind: str, numbers: range) -> list[bytes]:
        """Return the rows of parts with these numbers, and then those of all parts that are not stored yet."""
        partition, recording_id = lacking.record.partition, lacking.record.key or b""
        prefix = parts_prefix(recording_id, kind)
        waiting = [row for (where, key), row in rows.items() if where == partition and key.startswith(prefix)]
        return [*parts(self._rows, partition, recording_id, kind, numbers), *waiting]

    @override
    async def on_stop(self) -> None:
        """Close the connection."""
        await self._close()

    async def _read(self, partition: TopicPartition, offset: int) -> Record | None:
        try:
            reader = await self._ready_reader()
            record = await read_record(reader, partition, offset)
        except BaseException:
            # Not kept: the next read would wait for a request that may still be under way.
            await self._close()
            raise
        return None if record is None else received(record)

    async def _ready_reader(self) -> AIOKafkaConsumer:
        if self._reader is None:
            self._reader = new_record_reader(self._settings)
            await start(self._reader, [*self._submissions, *self._chunks])
        return self._reader

    async def _close(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.stop()
