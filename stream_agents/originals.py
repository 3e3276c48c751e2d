"""Records that were processed before, read again from their topics: ECGs to compute again, and earlier chunks."""

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

# Of the longest recording, its last hour included.
_MOST_HOURS = int(MAX_SECONDS) // 3600 + 1
# Of all leads, in memory at a time: 32 to 64 MiB. A hole may be given up before the samples of days.
_MOST_SAMPLES = 8_000_000
# What a piece of a record takes beside its samples, as samples of each lead.
_PIECE_SAMPLES = 200
# Of one record whatever its size, and of several that are close together.
_ALONE, _TOGETHER = 1, MIB // 4
# A fetch of several has to bring about as many of a recording, among the records of others, to be worth its bytes.
_LEAST_TOGETHER = 3


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
        # By the bytes that they fetch at a time.
        self._readers: dict[int, AIOKafkaConsumer] = {}

    async def in_place(self, records: Sequence[Record]) -> list[Record]:
        """Return records with the original in place of each recomputation, which is left out if there is nothing to do.

        Raises:
            KafkaError: if the broker does not answer, or a record's partition is not open here any more.
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
        """Return what a record lacks: the samples as far as they are kept and can be read, and the rows of minutes.

        Of each record, only the samples that are needed stay in memory. Of many samples, only the first ones are read.

        Args:
            lacking: tells which.
            rows: of the recording, and of the outcomes that are not stored yet.

        Raises:
            KafkaError: if the broker does not answer, or the record's partition is not open here any more.
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
        """Yield the samples at some places of a record that has them.

        If the topic was lost and made anew, others' records are at the offsets: the samples are not kept then.
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
        """Check that rows of a partition can be read.

        Raises:
            RebalanceInProgressError: if it has moved away: its new owner processes its records.
        """
        if not self._rows.holds(partition):
            raise RebalanceInProgressError

    @override
    async def on_stop(self) -> None:
        """Close the connections."""
        for fetched in list(self._readers):
            await self._close(fetched)

    async def _near(self, record: Record, offsets: Sequence[int]) -> AsyncIterator[Record]:
        """Yield those records at ascending offsets of a record's partition that are there.

        They are fetched together if they are about as large as the record, and close together.
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
            # Not kept: the next read would wait for a request that may still be under way.
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
