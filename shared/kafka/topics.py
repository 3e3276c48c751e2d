"""The pipeline's topics: creates missing ones, compares all with the settings: `python -m shared.kafka.topics`."""

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import replace

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    KafkaError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

from shared.kafka.clients import admin_client
from shared.kafka.patience import attempts
from shared.kafka.topic import HOUR_MS, Topic
from shared.kafka.topic_differences import Found, differences
from shared.logging_setup import configure as configure_logging
from shared.messages import insights
from shared.settings import MIB, UNUSED_SECRET, Settings, settings_or_exit

log = structlog.get_logger(__name__)

_OF_PARTITIONS = {"partitions": "ECG_PARTITIONS"}
_OF_COPIES = {"replicas": "ECG_REPLICATION_FACTOR", "min.insync.replicas": "ECG_MIN_INSYNC_REPLICAS"}


class TopicsDifferError(Exception):
    """Topics on the cluster differ from the settings in a way that breaks a guarantee.

    Attributes:
        sentences: one for each difference.
    """

    def __init__(self, sentences: list[str]) -> None:
        super().__init__("; ".join(sentences))
        self.sentences = sentences


class Topics:
    """All topics of one pipeline."""

    def __init__(self, settings: Settings) -> None:
        # A submission adds an id and headers to the client's body, and a dead letter adds a reason to those: each limit
        # leaves room for the largest message that passed the one before.
        largest = settings.max_body_bytes + MIB
        size = {"max.message.bytes": "ECG_MAX_BODY_BYTES"}
        # Rows that an erasure replaced and keys that were destroyed leave the brokers' disks a little after this time.
        lag = str(settings.erasure_hours * HOUR_MS)
        compacted = {"cleanup.policy": "compact", "max.compaction.lag.ms": lag}
        hours = {"max.compaction.lag.ms": "ECG_ERASURE_HOURS"}

        def topic(name: str, partitions: int, config: dict[str, str], variables: dict[str, str]) -> Topic:
            return Topic(
                f"{settings.topic_prefix}.{name}",
                partitions,
                config,
                settings.replication_factor,
                settings.min_insync_replicas,
                variables | _OF_COPIES,
            )

        def kept(retention_hours: int) -> dict[str, str]:
            return {"cleanup.policy": "delete", "retention.ms": str(retention_hours * HOUR_MS)}

        self.submissions = topic(
            "submissions",
            settings.partitions,
            {
                **kept(settings.submissions_retention_hours),
                "max.message.bytes": str(largest),
                # A producer's clock must decide neither when its ECG was accepted nor when it is deleted.
                "message.timestamp.type": "LogAppendTime",
            },
            {**_OF_PARTITIONS, **size, "retention.ms": "ECG_SUBMISSIONS_RETENTION_HOURS"},
        )
        # As many partitions as the submissions: a row has its submission's or recording's partition number.
        self.chunks = replace(self.submissions, name=f"{settings.topic_prefix}.chunks")
        rows = {"max.message.bytes": str(insights.MAX_MESSAGE_BYTES)}
        self.insights = topic("insights", settings.partitions, {**compacted, **rows}, {**_OF_PARTITIONS, **hours})
        self.users = topic("users", 1, compacted, hours)
        self.keys = topic("keys", 1, compacted, hours)
        self.workers = topic("workers", 1, compacted, hours)
        self.dlq = topic(
            "submissions.dlq",
            settings.partitions,
            {**kept(settings.dlq_retention_hours), "max.message.bytes": str(largest + MIB)},
            {**_OF_PARTITIONS, **size, "retention.ms": "ECG_DLQ_RETENTION_HOURS"},
        )
        self.audit = topic(
            "audit",
            settings.partitions,
            kept(settings.audit_retention_hours),
            {**_OF_PARTITIONS, "retention.ms": "ECG_AUDIT_RETENTION_HOURS"},
        )
        self._servers = settings.bootstrap_servers

    def __iter__(self) -> Iterator[Topic]:
        return iter(
            (self.submissions, self.chunks, self.insights, self.users, self.keys, self.workers, self.dlq, self.audit)
        )

    async def create(self, admin: AIOKafkaAdminClient) -> None:
        """Create missing topics; existing ones are not changed.

        Raises:
            KafkaError: if the broker refuses to create one.
        """
        existing = set(await admin.list_topics())
        missing = [topic for topic in self if topic.name not in existing]
        if not missing:
            return
        response = await admin.create_topics([_new(topic) for topic in missing])
        created = [name for name, code, *_ in response.topic_errors if not code]
        for name, code, *message in response.topic_errors:
            # Another process may have been faster, or this user may be allowed to create the topic but not to see it.
            if for_code(code) is not TopicAlreadyExistsError:
                _raise_for(code, f"topic {name} is not there, or may not be seen, and cannot be created: {message}")
        if created:
            log.info("topics created", topics=created)

    async def check(self, admin: AIOKafkaAdminClient) -> None:
        """Compare all topics with the settings, and log harmless differences as warnings.

        Raises:
            TopicsDifferError: if the pipeline would not work with the topics as they are.
            KafkaError: if the broker does not describe a topic.
        """
        found = await self._describe(admin)
        compared = [each for topic in self for each in differences(topic, found[topic.name], self._servers)]
        for difference in compared:
            if difference.harmless:
                log.warning(difference.sentence)
        if refused := [difference.sentence for difference in compared if not difference.harmless]:
            raise TopicsDifferError(refused)

    async def _describe(self, admin: AIOKafkaAdminClient) -> dict[str, Found]:
        names = [topic.name for topic in self]
        partitions = {}
        for topic in await admin.describe_topics(names):
            _raise_for(topic["error_code"], f"describing topic {topic['topic']}")
            partitions[topic["topic"]] = [len(partition["replicas"]) for partition in topic["partitions"]]
        configs = {}
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        for response in await admin.describe_configs(resources):
            for code, _, _, name, entries in response.resources:
                _raise_for(code, f"describing the configuration of topic {name}")
                configs[name] = {entry[0]: entry[1] for entry in entries}
        return {name: Found(len(replicas), min(replicas), configs[name]) for name, replicas in partitions.items()}


def _new(topic: Topic) -> NewTopic:
    config = {"min.insync.replicas": str(topic.min_insync_replicas), **topic.config}
    return NewTopic(topic.name, topic.partitions, topic.replicas, topic_configs=config)


def _raise_for(code: int, action: str) -> None:
    if code:
        raise for_code(code)(action)


async def create(settings: Settings) -> None:
    """Create missing topics, as soon as the cluster has enough brokers for them.

    Raises:
        KafkaError: if they cannot be created.
    """
    async for attempt in attempts():
        with attempt:
            async with admin_client(settings) as admin:
                await Topics(settings).create(admin)


async def prepare(settings: Settings) -> None:
    """Create missing topics, and compare all with the settings.

    Raises:
        TopicsDifferError: if the pipeline would not work with the topics as they are.
        KafkaError: if the brokers cannot be reached, or refuse.
    """
    await create(settings)
    # A new topic is known to all brokers some milliseconds after one of them has created it.
    async for attempt in attempts():
        with attempt:
            async with admin_client(settings) as admin:
                await Topics(settings).check(admin)


def prepare_or_exit(settings: Settings) -> None:
    """Prepare the topics; if that fails, log the reason and exit with code 1."""
    try:
        asyncio.run(prepare(settings))
    except TopicsDifferError as error:
        for sentence in error.sentences:
            log.error(sentence)
    except TopicAuthorizationFailedError as error:
        log.error("a permission is missing, see docs/kafka-acls.md", error=str(error))
    except KafkaError as error:
        log.error("the topics cannot be prepared", error=str(error))
    else:
        return
    sys.exit(1)


def main() -> None:
    """Create missing topics, and compare all with the settings."""
    settings = settings_or_exit(secret=UNUSED_SECRET)
    configure_logging(settings.log_level, settings.log_format)
    prepare_or_exit(settings)


if __name__ == "__main__":
    main()
