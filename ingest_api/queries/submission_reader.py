"""Reads single records of the topics of submissions and chunks, which have the only copy of the signals."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from ingest_api.http.errors import Unavailable
from ingest_api.kafka.closing import Closing
from shared.data_keys import HEADER as DATA_KEY_HEADER
from shared.kafka.clients import partition_for
from shared.kafka.record_reader import new_record_reader, read_records, start
from shared.kafka.topics import Topics
from shared.messages.headers import CONTENT_TYPE_HEADER
from shared.settings import MIB, Settings

log = structlog.get_logger(__name__)

UNREADABLE = "The signals cannot be read now, try again"
# Each may hold a record of the largest size.
_READERS = 4
# Bytes of a fetch of chunks that are close together: those of a live device have some kB. Among the chunks of many
# devices, a fetch of several would bring few of the recording, so that each chunk is fetched alone.
_FETCHED_OF_CHUNKS = MIB // 4
_CLOSE = 8


class Message(NamedTuple):
    """A record's value, its content type, and the id of the data key that it is sealed with, if any."""

    value: bytes
    content_type: str | None
    data_key: str | None


class SubmissionReader:
    """Reads the records of ECGs and chunks by offset, a few at a time, with consumers that are kept and reused."""

    def __init__(self, settings: Settings, topics: Topics) -> None:
        self._settings = settings
        self._timeout = settings.query_timeout
        self._submissions = topics.submissions.all_partitions()
        self._chunks = topics.chunks.all_partitions()
        self._turns = asyncio.Semaphore(_READERS)
        # By the size of their fetches in bytes: for a single record, its batch is enough.
        self._idle: dict[int, list[AIOKafkaConsumer]] = {1: [], _FETCHED_OF_CHUNKS: []}
        self._closing = Closing()

    async def stop(self) -> None:
        """Close the connections."""
        for idle in self._idle.values():
            while idle:
                self._closing.begin(idle.pop().stop())
        await self._closing.end()

    @asynccontextmanager
    async def reading(self, ecg_id: str, offset: int) -> AsyncIterator[Message | None]:
        """Yield the record at an offset of an ECG's partition, or None if it is not there, or no longer.

        Only a few blocks run at a time, including their wait for the audit, because each may hold an ECG of the largest
        size in memory.

        Raises:
            Unavailable: if the broker does not answer in time, or too many records are being read.
        """
        until = self._deadline()
        async with self._turn(until):
            partition = _of(self._submissions, ecg_id)
            [message] = await self._read_until(until, partition, [offset], 1) if offset >= 0 else [None]
            yield message

    @asynccontextmanager
    async def reading_chunks(
        self, recording_id: str, offsets: Sequence[int]
    ) -> AsyncIterator[AsyncIterator[tuple[int, Message | None]]]:
        """Yield the records at ascending offsets of a recording's partition, each with its offset, as `reading` does.

        The block counts as one of the few that run at a time. A few records are in memory at a time.

        Raises:
            Unavailable: as `reading`, for each fetch.
        """
        async with self._turn(self._deadline()):
            yield self._messages(_of(self._chunks, recording_id), offsets)

    async def _messages(
        self, partition: TopicPartition, offsets: Sequence[int]
    ) -> AsyncIterator[tuple[int, Message | None]]:
        are_close = len(offsets) > 1 and offsets[-1] - offsets[0] < _CLOSE * len(offsets)
        done = 0
        while rest := offsets[done:]:
            fetched = _FETCHED_OF_CHUNKS if are_close else 1
            for message in await self._read_until(self._deadline(), partition, rest, fetched):
                yield offsets[done], message
                done += 1

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._timeout

    @asynccontextmanager
    async def _turn(self, until: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout_at(until):
                await self._turns.acquire()
        except TimeoutError:
            raise Unavailable(UNREADABLE, missing="broker") from None
        try:
            yield
        finally:
            self._turns.release()

    async def _read_until(
        self, until: float, partition: TopicPartition, offsets: Sequence[int], fetched: int
    ) -> list[Message | None]:
        idle = self._idle[fetched]
        try:
            async with asyncio.timeout_at(until):
                reader = idle.pop() if idle else new_record_reader(self._settings, fetched)
                try:
                    if not reader.assignment():
                        await start(reader, [*self._submissions, *self._chunks])
                    records = await read_records(reader, partition, offsets)
                except BaseException:
                    # A request may still be under way, and the next read on this connection would wait for it.
                    self._closing.begin(reader.stop())
                    raise
                idle.append(reader)
                return [None if record is None else _message(record) for record in records]
        except (KafkaError, TimeoutError) as error:
            place = {"topic": partition.topic, "partition": partition.partition, "offset": offsets[0]}
            log.warning("a record could not be read", **place, error=repr(error))
            raise Unavailable(UNREADABLE, missing="broker") from None


def _of(partitions: list[TopicPartition], key: str) -> TopicPartition:
    """Return the partition of a key."""
    return partitions[partition_for(key.encode(), len(partitions))]


def _message(record: ConsumerRecord) -> Message:
    # The last header of a name that is not null counts, as in the workers.
    headers = {name: value.decode(errors="replace") for name, value in record.headers if value is not None}
    return Message(record.value or b"", headers.get(CONTENT_TYPE_HEADER), headers.get(DATA_KEY_HEADER))
