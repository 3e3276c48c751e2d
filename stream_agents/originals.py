"""Reads records that were processed before from their topics again: ECGs to compute again, and earlier chunks."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from functools import partial

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import RebalanceInProgressError
from mode import Service
from typing_extensions import override

from shared.chunk import MAX_SECONDS, Chunk
from shared.kafka.record_reader import new_record_reader, read_records, start
from shared.kafka.topics import Topics
from shared.messages import insights
from shared.messages.insights import Insights
from shared.messages.recordings import CHUNK, HOUR, MINUTE, ChunkPlace, decode_place
from shared.ranges import Range, within
from shared.settings import MIB, Settings
from stream_agents.processing.batch_processor import BatchProcessor, Rows
from stream_agents.processing.chunk_processor import Earlier, Lacking
from stream_agents.processing.record import Record, received
from stream_agents.table.recording_parts import parts
from stream_agents.table.rocksdb import Store

# The hours of the longest recording, with its last one, which may be incomplete.
_MOST_HOURS = int(MAX_SECONDS) // 3600 + 1
# Samples of all leads in memory at a time: 32 to 64 MiB. When a hole is given up, the samples of days may be due.
_MOST_SAMPLES = 8_000_000
# The memory of a piece of a record besides its samples, expressed as samples of each lead.
_PIECE_SAMPLES = 200
# The bytes of a fetch: of one record, which Kafka sends whole whatever its size, and of several close together.
_ALONE, _TOGETHER = 1, MIB // 4
# A fetch of several records is worth its bytes only if it is expected to have this many of the recording.
_LEAST_TOGETHER = 3


class Originals(Service):
    """Reads the records that recomputations name, and those with a recording's earlier samples.

    Args:
        settings: the settings of the worker.
        topics: the topics of the deployment.
        processor: finds outdated rows, and decodes chunks.
        rows: the rows of the table.
    """

    def __init__(self, settings: Settings, topics: Topics, processor: BatchProcessor, rows: Store) -> None:
        super().__init__()
        self._settings = settings
        self._submissions = topics.submissions.all_partitions()
        self._chunks = topics.chunks.all_partitions()
        self._processor = processor
        self._rows = rows
        # By the size of their fetches in bytes.
        self._readers: dict[int, AIOKafkaConsumer] = {}

    async def in_place(self, records: Sequence[Record]) -> list[Record]:
        """Replace each recomputation by its original record, or leave it out if there is nothing to compute.

        Raises:
            KafkaError: if the broker does not answer, or the partition of a record has moved to another worker.
        """
        found: list[Record] = []
        for record in records:
            if not record.is_recomputation:
                found.append(record)
                continue
            self._check_open(record.partition)
            if (offset := self._processor.outdated_at(record)) is not None:
                [original] = await self._read(self._submissions[record.partition], [offset], _ALONE)
                if original is not None:
                    found.append(msgspec.structs.replace(original, recomputes=True))
        return found

    async def earlier(self, lacking: Lacking, rows: Rows) -> Earlier:
        """Return the earlier samples and the rows of minutes that the outcome of a record depends on.

        Samples that are no longer kept are left out. If the samples are too many for memory, only the first ones are
        read. Only the needed samples of each record stay in memory.

        Args:
            lacking: the record, and what it needs.
            rows: rows that are not stored yet, by partition and key: that of the recording, and those of its parts.

        Raises:
            KafkaError: if the broker does not answer, or the partition of the record has moved to another worker.
        """
        record, need = lacking.record, lacking.need
        self._check_open(record.partition)
        waiting = {key: row for (partition, key), row in rows.items() if partition == record.partition}
        find = partial(parts, self._rows, record.partition, record.key or b"", waiting=waiting)
        wanted: dict[int, list[ChunkPlace]] = defaultdict(list)
        chunks: list[Chunk] = []
        until, left = None, _MOST_SAMPLES
        if need.ranges:
            recording = insights.decode(waiting[record.key or b""])
            for place in _places(need.ranges, find):
                if left <= 0 and place.first >= need.least:
                    until = place.first
                    break
                wanted[place.offset].append(place)
                left -= len(recording.leads) * (place.count + _PIECE_SAMPLES)
        if wanted:
            async for found in self._near(record, sorted(wanted)):
                chunks += self._pieces(found, recording, wanted[found.offset])
        read = need.ranges if until is None else within(need.ranges, 0, until)
        if not need.minutes:
            return Earlier(read, chunks, done=lacking.done)
        minutes = [row for part in need.minutes for row in find(MINUTE, range(*part))]
        return Earlier(read, chunks, minutes, list(find(HOUR, range(_MOST_HOURS))), lacking.done)

    def _pieces(self, record: Record, recording: Insights, places: Iterable[ChunkPlace]) -> Iterator[Chunk]:
        """Yield the samples of a record at these places, or nothing if it is a record of another recording.

        Another recording's record may have the offset if the topic was lost and created again.
        """
        chunk = self._processor.chunk(record)
        if chunk is None or (chunk.id, chunk.username) != (recording.ecg_id, recording.username):
            return
        if [lead.name for lead in chunk.leads] != [lead["name"] for lead in recording.leads]:
            return
        for place in places:
            if place.begin == chunk.first_sample and place.first + place.count <= place.begin + chunk.count:
                yield chunk.piece(range(place.first, place.first + place.count))

    def _check_open(self, partition: int) -> None:
        """Check that this worker has the rows of a partition.

        Raises:
            RebalanceInProgressError: if the partition has moved to another worker, which processes its records.
        """
        if not self._rows.holds(partition):
            raise RebalanceInProgressError

    @override
    async def on_stop(self) -> None:
        """Close the connections."""
        for fetched in list(self._readers):
            await self._close(fetched)

    async def _near(self, record: Record, offsets: Sequence[int]) -> AsyncIterator[Record]:
        """Yield the records at ascending offsets of a record's partition, without those that are no longer kept.

        They are fetched together if they are close together, assuming that they are as large as the record.
        """
        size = (offsets[-1] - offsets[0]) // max(1, len(offsets) - 1) * len(record.value or b"")
        fetched = _TOGETHER if len(offsets) > 1 and size * _LEAST_TOGETHER <= _TOGETHER else _ALONE
        done = 0
        while rest := offsets[done:]:
            found = await self._read(self._chunks[record.partition], rest, fetched)
            done += len(found)
            for each in found:
                if each is not None:
                    yield each

    async def _read(self, partition: TopicPartition, offsets: Sequence[int], fetched: int) -> list[Record | None]:
        try:
            reader = await self._ready_reader(fetched)
            records = await read_records(reader, partition, offsets)
        except BaseException:
            # A request may still be under way, and the next read on this connection would wait for it.
            await self._close(fetched)
            raise
        return [None if record is None else received(record) for record in records]

    async def _ready_reader(self, fetched: int) -> AIOKafkaConsumer:
        if fetched not in self._readers:
            self._readers[fetched] = new_record_reader(self._settings, fetched)
            await start(self._readers[fetched], [*self._submissions, *self._chunks])
        return self._readers[fetched]

    async def _close(self, fetched: int) -> None:
        if (reader := self._readers.pop(fetched, None)) is not None:
            await reader.stop()


def _places(ranges: Iterable[Range], find: Callable[[str, range], Iterator[bytes]]) -> Iterator[ChunkPlace]:
    """Yield the places of the samples in some ranges, ascending."""
    for first, end in ranges:
        for place in map(decode_place, find(CHUNK, range(first, end))):
            begin, stop = max(first, place.first), min(end, place.first + place.count)
            if begin < stop:
                yield msgspec.structs.replace(place, first=begin, count=stop - begin)
