"""The pipeline's topics: names, partitions and settings, created where they are missing: `python -m shared.topics`."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from shared import results
from shared.kafka import admin_client
from shared.log import configure as configure_logging
from shared.settings import MIB, Settings

log = structlog.get_logger(__name__)

_HOUR_MS = 3_600_000
# A cluster that has just started takes seconds until all its brokers serve; before, it refuses so many copies.
_CREATE_TIMEOUT = 60


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic's name, partition count, and configuration beside the replication settings."""

    name: str
    partitions: int
    config: dict[str, str] = field(default_factory=dict)


class Topics:
    """All topics of one pipeline."""

    def __init__(self, settings: Settings) -> None:
        self._replication_factor = settings.replication_factor
        self._min_insync_replicas = settings.min_insync_replicas
        prefix = settings.topic_prefix
        # An id and headers come on top of what a client sent, and a reason on top of a dead letter:
        # each limit leaves room for what passed the one before.
        largest = settings.max_body_bytes + MIB
        # What an erasure replaces, or the end of a key, is gone from the brokers' disks a little after this time.
        lag = str(settings.erasure_hours * _HOUR_MS)
        compacted = {"cleanup.policy": "compact", "max.compaction.lag.ms": lag}
        self.submissions = Topic(
            f"{prefix}.submissions",
            settings.partitions,
            {
                "retention.ms": str(settings.submissions_retention_hours * _HOUR_MS),
                "max.message.bytes": str(largest),
            },
        )
        rows = {"max.message.bytes": str(results.MAX_MESSAGE_BYTES)}
        self.insights = Topic(f"{prefix}.insights", settings.partitions, {**compacted, **rows})
        self.users = Topic(f"{prefix}.users", 1, compacted)
        self.keys = Topic(f"{prefix}.keys", 1, compacted)
        self.workers = Topic(f"{prefix}.workers", 1, compacted)
        self.dlq = Topic(
            f"{prefix}.submissions.dlq",
            settings.partitions,
            {
                "retention.ms": str(settings.dlq_retention_hours * _HOUR_MS),
                "max.message.bytes": str(largest + MIB),
            },
        )

        self.audit = Topic(
            f"{prefix}.audit",
            settings.partitions,
            {"retention.ms": str(settings.audit_retention_hours * _HOUR_MS)},
        )

    def __iter__(self) -> Iterator[Topic]:
        return iter((self.submissions, self.insights, self.users, self.keys, self.workers, self.dlq, self.audit))

    async def create(self, admin: AIOKafkaAdminClient) -> None:
        """Create the topics that do not exist; those that do are left as they are.

        Raises:
            KafkaError: if the broker refuses one for another reason.
        """
        existing = set(await admin.list_topics())
        missing = [topic for topic in self if topic.name not in existing]
        if not missing:
            return
        replicated = {"min.insync.replicas": str(self._min_insync_replicas)}
        response = await admin.create_topics(
            [
                NewTopic(t.name, t.partitions, self._replication_factor, topic_configs={**replicated, **t.config})
                for t in missing
            ]
        )
        created = [name for name, code, *_ in response.topic_errors if not code]
        for name, code, *message in response.topic_errors:
            error = for_code(code)
            # Another process that starts at the same moment may be first; and who may create a topic need not see it.
            if code and error is not TopicAlreadyExistsError:
                raise error(f"creating topic {name}: {message}")
        if created:
            log.info("topics created", topics=created)


async def create(settings: Settings) -> None:
    """Create the topics that do not exist, as soon as the cluster has the brokers for them.

    Raises:
        KafkaError: what it still says after a minute.
    """
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(KafkaError),
        stop=stop_after_delay(_CREATE_TIMEOUT),
        wait=wait_fixed(1),
        reraise=True,
    ):
        with attempt:
            async with admin_client(settings) as admin:
                await Topics(settings).create(admin)


def main() -> None:
    """Create the topics that do not exist."""
    settings = Settings()
    configure_logging(settings.log_level, settings.log_format)
    asyncio.run(create(settings))


if __name__ == "__main__":
    main()
