"""Kafka clients with the settings that the pipeline's promises rest on."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.partitioner import murmur2
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from shared.kafka.client_watch import watched
from shared.security.tls import client_context
from shared.settings import MIB, Settings

_EMBEDDED_BROKER_OPTIONS = {
    # It fails InitProducerId: a record that is sent again may be stored twice.
    "enable_idempotence": False,
    # Its ListOffsets takes a batch of records for one record, so that readers who look for a topic's end, as
    # recovery does, would stop short of it. No record fits into one byte, and the first is always let in.
    "max_batch_size": 1,
}

# A request under way to a broker that froze goes to the new leader only after this time; the new leader is there after
# some seconds.
_REQUEST_TIMEOUT_MS = 5_000
# Who sends nothing for a while is not told that a leader froze; the first to send would wait that time for it, and as
# long again when the frozen node is the one asked for the new leader.
_METADATA_MAX_AGE_MS = 10_000


def partition_for(key: bytes, partitions: int) -> int:
    """Return the partition that Kafka's default partitioner (murmur2) gives a key."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


def message_size(key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]] = ()) -> int:
    """Return how many bytes a message takes at most of those that its topic's limit counts, if it is not compressed.

    The limit counts them compressed: who compresses may have sent a message of any size.
    """
    return int(DefaultRecordBatchBuilder.estimate_size_in_bytes(key, value, list(headers)))


def worker_group(settings: Settings) -> str:
    """Return the consumer group of the workers."""
    return f"{settings.topic_prefix}-stream-agents"


def client_options(settings: Settings) -> dict[str, Any]:
    """Return the options of every client: where Kafka is, and how it is spoken to. They hold the password."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers,
        "security_protocol": settings.kafka_security_protocol,
    }
    if settings.kafka_encrypts:
        options["ssl_context"] = client_context(settings.kafka_files)
    if settings.kafka_logs_in and settings.kafka_password is not None:
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_username
        options["sasl_plain_password"] = settings.kafka_password.get_secret_value()
    return options


def producer_options(settings: Settings) -> dict[str, Any]:
    """Return the options that every producer has beside those of every client: an acknowledged record is durable."""
    return {
        "acks": "all",
        "compression_type": None if settings.compression == "none" else settings.compression,
        "request_timeout_ms": _REQUEST_TIMEOUT_MS,
        "metadata_max_age_ms": _METADATA_MAX_AGE_MS,
        "max_request_size": settings.max_body_bytes + 2 * MIB,
        **(_EMBEDDED_BROKER_OPTIONS if settings.embedded_broker else {"enable_idempotence": True}),
    }


def fetch_max_wait_ms(settings: Settings, embedded: int) -> int:
    """Return how long a broker may wait for new records before it answers a fetch with none.

    Apache Kafka answers as soon as there is a record; the embedded broker looks again only after a good part
    of the wait. On that one `embedded` milliseconds weigh a record's delay against what an idle pipeline costs.
    """
    return embedded if settings.embedded_broker else 500


def new_producer(settings: Settings) -> AIOKafkaProducer:
    """Return a producer, not started, whose acknowledged records survive what the cluster is built to survive."""
    return watched(AIOKafkaProducer(**client_options(settings), **producer_options(settings)))


def new_reader(settings: Settings, **options: Any) -> AIOKafkaConsumer:
    """Return a consumer without a group, not started: it commits nothing and reads what it is assigned."""
    return watched(
        AIOKafkaConsumer(
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
