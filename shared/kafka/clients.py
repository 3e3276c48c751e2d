"""Kafka clients with the options on which the pipeline's guarantees depend."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from shared.kafka.client_watch import watched
from shared.kafka.murmur2 import murmur2
from shared.kafka.topic_reader import TopicReader
from shared.security.tls import client_context
from shared.settings import MIB, Settings

_EMBEDDED_BROKER_OPTIONS = {
    # The broker fails InitProducerId, so a record that is sent again may be stored twice.
    "enable_idempotence": False,
    # The broker's ListOffsets counts a batch of records as one record, so that readers up to a topic's end, such as
    # recovery, would stop early. With this limit a batch has one record: the first is always let in, however large.
    "max_batch_size": 1,
}

# While a batch of a partition is under way, its next records wait for the next batch. aiokafka's default of 16 KiB
# holds a single ECG of 12 x 500 samples, so that every ECG waits for a round trip of its own. A larger batch would make
# single records slower to read, because brokers send whole batches, and topics refuse batches over 1 MiB.
_MAX_BATCH_BYTES = MIB // 4

# A request to a frozen broker goes to the new leader only after this time. A shorter time would gain little, because
# the election takes some seconds.
_REQUEST_TIMEOUT_MS = 5_000
METADATA_MAX_AGE_MS = 10_000
"""How long a client may know an old leader, in milliseconds.

An idle client does not notice that a leader froze: its next send would wait for the request timeout, and as long again
if it asks the frozen node for the new leader. A consumer that asks an old leader for the beginning of a partition does
not look for the new one: see docs/upstream.md.
"""


def partition_for(key: bytes, partitions: int) -> int:
    """Return the partition that Kafka's default partitioner (murmur2) gives a key."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def message_size(key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]] = ()) -> int:
    """Return an upper bound of an uncompressed message's size, as its topic's limit counts it.

    The limit applies to compressed bytes, so a producer that compresses may send a message of any size.
    """
    return int(DefaultRecordBatchBuilder.estimate_size_in_bytes(key, value, list(headers)))


def worker_group(settings: Settings) -> str:
    """Return the name of the workers' consumer group."""
    return f"{settings.topic_prefix}-stream-agents"


def client_options(settings: Settings) -> dict[str, Any]:
    """Return the options of every client: the brokers, how old they may be known, TLS and login with its password."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers,
        "security_protocol": settings.kafka_security_protocol,
        "metadata_max_age_ms": METADATA_MAX_AGE_MS,
    }
    if settings.kafka_encrypts:
        options["ssl_context"] = client_context(settings.kafka_files)
    if settings.kafka_logs_in and settings.kafka_password is not None:
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_username
        options["sasl_plain_password"] = settings.kafka_password.get_secret_value()
    return options


def producer_options(settings: Settings) -> dict[str, Any]:
    """Return the options of every producer, besides those of every client: an acknowledged record is durable."""
    return {
        "acks": "all",
        "compression_type": None if settings.compression == "none" else settings.compression,
        "request_timeout_ms": _REQUEST_TIMEOUT_MS,
        "max_request_size": settings.max_body_bytes + 2 * MIB,
        "max_batch_size": _MAX_BATCH_BYTES,
        **(_EMBEDDED_BROKER_OPTIONS if settings.embedded_broker else {"enable_idempotence": True}),
    }


def fetch_max_wait_ms(settings: Settings, embedded: int) -> int:
    """Return how long a broker may wait for new records before it answers a fetch with none.

    Apache Kafka answers as soon as there is a record. The embedded broker looks again only after a good part of the
    wait: `embedded` (milliseconds) is a compromise between a record's delay and the load of an idle pipeline.
    """
    return embedded if settings.embedded_broker else 500


def new_producer(settings: Settings) -> AIOKafkaProducer:
    """Return a producer, not started, whose acknowledged records survive the failures that the cluster tolerates."""
    return watched(
        AIOKafkaProducer(**client_options(settings), **producer_options(settings), partitioner=_default_partition)
    )


_any_partition = DefaultPartitioner()


def _default_partition(key: bytes | None, every: list[int], available: list[int]) -> int:
    """Return the partition of a record as Kafka's default partitioner does."""
    return every[partition_for(key, len(every))] if key is not None else int(_any_partition(None, every, available))


def new_reader(settings: Settings, **options: Any) -> TopicReader:
    """Return a consumer without a group, not started: it commits nothing and reads the partitions assigned to it."""
    return watched(
        TopicReader(
            **client_options(settings),
            enable_auto_commit=False,
            isolation_level="read_committed",
            request_timeout_ms=_REQUEST_TIMEOUT_MS,
            **{"auto_offset_reset": "earliest", "fetch_max_wait_ms": fetch_max_wait_ms(settings, 100), **options},
        )
    )


def new_admin(settings: Settings, **options: Any) -> AIOKafkaAdminClient:
    """Return an admin client, not started."""
    return watched(AIOKafkaAdminClient(**client_options(settings), **options))


@asynccontextmanager
async def admin_client(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """Yield a started admin client."""
    admin = new_admin(settings)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()
