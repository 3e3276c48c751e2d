"""Reading single records by offset, with a consumer that is kept: it has all partitions, paused but for one read."""

from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError
from aiokafka.structs import ConsumerRecord

from shared.kafka.clients import new_reader
from shared.settings import Settings

_POLL_MS = 500
# The broker then sends only the batch that holds the offset, whatever its size.
_ONE_BATCH: dict[str, Any] = {"max_partition_fetch_bytes": 1, "auto_offset_reset": "none"}


def new_record_reader(settings: Settings) -> AIOKafkaConsumer:
    """Return a consumer for `read_record`, not started."""
    return new_reader(settings, **_ONE_BATCH)


async def start(reader: AIOKafkaConsumer, partitions: Sequence[TopicPartition]) -> None:
    """Start a consumer that reads single records of partitions.

    Raises:
        KafkaError: if the broker cannot be reached.
    """
    await reader.start()
    reader.assign(partitions)
    reader.pause(*partitions)
    for partition in partitions:
        reader.seek(partition, 0)


async def read_record(reader: AIOKafkaConsumer, partition: TopicPartition, offset: int) -> ConsumerRecord | None:
    """Return a record, or None if it is not there, or no longer.

    Raises:
        KafkaError: if the broker does not answer; the consumer cannot be used again.
    """
    reader.seek(partition, offset)
    reader.resume(partition)
    try:
        while True:
            # The whole batch, because aiokafka keeps a partly read one, with its bytes, in a cycle of references.
            fetched = await reader.getmany(partition, timeout_ms=_POLL_MS)
            if records := fetched.get(partition):
                return records[0] if records[0].offset == offset else None
            if (await reader.end_offsets([partition]))[partition] <= offset:
                return None
    except OffsetOutOfRangeError:
        return None
    finally:
        reader.pause(partition)
        # Drops the other records that were fetched.
        reader.seek(partition, offset)
