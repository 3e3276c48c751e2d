"""Administration of topics for the benchmarks: they are created, filled, watched and deleted."""

import time
from collections.abc import Iterable
from typing import TypeAlias

from confluent_kafka import KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.admin._metadata import TopicMetadata
from confluent_kafka.cimpl import NewTopic

from local_stack.kafka import Security
from local_stack.kafka.security import SUPER_USER

Headers: TypeAlias = list[tuple[str, str | bytes | None]]

_TIMEOUT = 30.0
_QUEUED = 3000
# Errors of a partition that was just created, has no leader yet, or was deleted and created again.
_JUST_CREATED = {"NOT_LEADER_FOR_PARTITION", "LEADER_NOT_AVAILABLE", "UNKNOWN_TOPIC_OR_PART", "UNKNOWN_LEADER_EPOCH"}


class Broker:
    """An admin client of a broker; `env` are the settings of processes that connect to it."""

    def __init__(self, servers: str, security: Security | None = None) -> None:
        self.servers = servers
        self.env = security.environment() if security else {}
        self._connection = {"bootstrap.servers": servers, **(_secured(security) if security else {})}
        # Silent, because it outlives the broker and would log the lost connection.
        self._admin = AdminClient({**self._connection, "log_level": 0})
        self._partitions: dict[str, int] = {}

    def create(self, topic: str, partitions: int, **config: str) -> None:
        """Create a topic."""
        named = {name.replace("_", "."): value for name, value in config.items()}
        self._admin.create_topics([NewTopic(topic, partitions, 1, config=named)])[topic].result(_TIMEOUT)

    def delete(self, *topics: str) -> None:
        """Delete the topics that exist, and wait until they are gone."""
        existing = [topic for topic in topics if topic in self._topics()]
        if existing:
            for future in self._admin.delete_topics(existing).values():
                future.result(_TIMEOUT)
        while any(topic in self._topics() for topic in existing):
            time.sleep(0.05)
        for topic in existing:
            self._partitions.pop(topic, None)

    def forget(self, group: str) -> None:
        """Delete a consumer group as soon as its last member has left."""
        deadline = time.monotonic() + _TIMEOUT
        while True:
            try:
                self._admin.delete_consumer_groups([group])[group].result(_TIMEOUT)
            except KafkaException as error:
                if error.args[0].name() == "GROUP_ID_NOT_FOUND":
                    return
                if error.args[0].name() != "NON_EMPTY_GROUP" or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return

    def records(self, topic: str) -> int:
        """Return the sum of a topic's end offsets (of all records ever written to it), or 0 if it does not exist."""
        if topic not in self._partitions:
            metadata = self._topics().get(topic)
            if metadata is None:
                return 0
            self._partitions[topic] = len(metadata.partitions)
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        asked = {TopicPartition(topic, partition): latest for partition in range(self._partitions[topic])}
        try:
            return sum(future.result(_TIMEOUT).offset for future in self._admin.list_offsets(asked).values())
        except KafkaException as error:
            if error.args[0].name() not in _JUST_CREATED:
                raise
            return 0

    def fill(
        self,
        topic: str,
        messages: Iterable[tuple[str, bytes]],
        headers: Headers | None = None,
        batch_kb: int = 1000,
    ) -> None:
        """Produce messages with their keys, partitioned as Java's default partitioner does.

        Raises:
            RuntimeError: if a message is not acknowledged.
        """
        producer = Producer(
            {
                **self._connection,
                "partitioner": "murmur2_random",
                "linger.ms": 20,
                "batch.size": batch_kb * 1000,
                "queue.buffering.max.kbytes": 1024 * 1024,
                "message.max.bytes": 20_000_000,
            }
        )
        failed: list[str] = []

        def delivered(error: object, _: object) -> None:
            if error is not None:
                failed.append(str(error))

        for key, value in messages:
            while len(producer) > _QUEUED:
                producer.poll(0.01)
            producer.produce(topic, value, key, headers=headers, callback=delivered)
            producer.poll(0)
        if producer.flush(_TIMEOUT) or failed:
            raise RuntimeError(f"{topic} was not filled: {failed[:1]}")

    def _topics(self) -> dict[str, TopicMetadata]:
        return dict(self._admin.list_topics(timeout=_TIMEOUT).topics)


def _secured(security: Security) -> dict[str, str]:
    """Return librdkafka's settings for a connection as the super user."""
    return {
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": str(security.authority.certificate),
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": SUPER_USER,
        "sasl.password": security.passwords[SUPER_USER],
    }
