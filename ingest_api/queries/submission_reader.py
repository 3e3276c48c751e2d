"""Reading single records of the submissions topic, which holds the only copy of the signals."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from ingest_api.http.errors import Unavailable
from ingest_api.kafka.closing import Closing
from shared.kafka.clients import partition_for
from shared.kafka.record_reader import new_record_reader, read_record, start
from shared.kafka.topics import Topics
from shared.security.data_keys import HEADER as DATA_KEY_HEADER
from shared.settings import Settings

log = structlog.get_logger(__name__)

# Each may hold a record of the largest size.
_READERS = 4
_TRY_AGAIN = "The signals cannot be read now, try again"


class Message(NamedTuple):
    """A record's value, its content type, and the id of the data key that it is sealed with, if any."""

    value: bytes
    content_type: str | None
    data_key: str | None


class SubmissionReader:
    """Reads the records of ECGs by offset, a few at a time, with consumers that are kept and reused."""

    def __init__(self, settings: Settings, topics: Topics) -> None:
        self._settings = settings
        self._timeout = settings.query_timeout
        self._partitions = topics.submissions.all_partitions()
        self._turns = asyncio.Semaphore(_READERS)
        self._idle: list[AIOKafkaConsumer] = []
        self._closing = Closing()

    async def stop(self) -> None:
        """Close the connections."""
        while self._idle:
            self._closing.begin(self._idle.pop().stop())
        await self._closing.end()

    @asynccontextmanager
    async def reading(self, ecg_id: str, offset: int) -> AsyncIterator[Message | None]:
        """Yield the record at an offset of an ECG's partition, or None if it is not there, or no longer.

        Only a few blocks run at a time, including their wait for the audit, because each may hold an ECG of the largest
        size in memory.

        Raises:
            Unavailable: if the broker does not answer in time, or too many records are being read.
        """
        until = asyncio.get_running_loop().time() + self._timeout
        try:
            async with asyncio.timeout_at(until):
                await self._turns.acquire()
        except TimeoutError:
            raise Unavailable(_TRY_AGAIN) from None
        try:
            yield await self._read_until(until, ecg_id, offset) if offset >= 0 else None
        finally:
            self._turns.release()

    async def _read_until(self, until: float, ecg_id: str, offset: int) -> Message | None:
        partition = self._partitions[partition_for(ecg_id.encode(), len(self._partitions))]
        try:
            async with asyncio.timeout_at(until):
                reader = self._idle.pop() if self._idle else new_record_reader(self._settings)
                try:
                    if not reader.assignment():
                        await start(reader, self._partitions)
                    record = await read_record(reader, partition, offset)
                except BaseException:
                    # Not kept: the next read would wait for a request that may still be under way.
                    self._closing.begin(reader.stop())
                    raise
                self._idle.append(reader)
                return _message(record) if record is not None else None
        except (KafkaError, TimeoutError) as error:
            log.warning(
                "a submission could not be read", partition=partition.partition, offset=offset, error=repr(error)
            )
            raise Unavailable(_TRY_AGAIN) from None


def _message(record: ConsumerRecord) -> Message:
    # The last header of a name that is not null counts, as in the workers.
    headers = {name: value.decode(errors="replace") for name, value in record.headers if value is not None}
    return Message(record.value or b"", headers.get("content-type"), headers.get(DATA_KEY_HEADER))
