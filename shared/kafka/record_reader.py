"""Reads records by offset with a consumer that is reused: it has all partitions, which are paused between reads."""

import itertools
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError
from aiokafka.structs import ConsumerRecord

from shared.kafka.clients import new_reader
from shared.settings import Settings

_POLL_MS = 500


def new_record_reader(settings: Settings, fetched_bytes: int = 1) -> AIOKafkaConsumer:
    """Return a consumer for `read_records`, not started.

    It fetches about this number of bytes at a time, but at least the batch that contains the offset.
    """
    return new_reader(settings, max_partition_fetch_bytes=fetched_bytes, auto_offset_reset="none")


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


async def read_records(
    reader: AIOKafkaConsumer, partition: TopicPartition, offsets: Sequence[int]
) -> list[ConsumerRecord | None]:
    """Return the records at the first of these ascending offsets: at least one, and those that were fetched with it.

    A record that does not exist, or is no longer kept, is None.

    Raises:
        KafkaError: if the broker does not answer; the consumer cannot be used again.
    """
    first = offsets[0]
    reader.seek(partition, first)
    reader.resume(partition)
    try:
        while True:
            # The whole batch, because aiokafka keeps a partly read one, with its bytes, in a cycle of references.
            fetched = await reader.getmany(partition, timeout_ms=_POLL_MS)
            if records := fetched.get(partition):
                known = {record.offset: record for record in records}
                return [known.get(at) for at in itertools.takewhile(lambda at: at <= records[-1].offset, offsets)]
            if (await reader.end_offsets([partition]))[partition] <= first:
                return [None]
    except OffsetOutOfRangeError:
        return [None]
    finally:
        reader.pause(partition)
        # Drops the other records that were fetched.
        reader.seek(partition, first)
