"""Processes do not start on topics that contradict the settings."""

import asyncio
import itertools
import re
import shlex
import sys
from dataclasses import replace

import pytest
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConnectionError

from local_stack.broker import free_port
from shared.kafka.clients import admin_client
from shared.kafka.topic import Topic
from shared.kafka.topics import Topics
from tests.support.brokers import Broker
from tests.support.conditions import eventually
from tests.support.pipeline import PARTITIONS, NewPipeline, Pipeline
from tests.support.process import Process


def wrong(topics: Topics) -> list[Topic]:
    """Return topics that contradict the settings, each in a different way."""
    small, compacted = {"max.message.bytes": "1048588"}, {"cleanup.policy": "compact"}
    return [
        replace(topics.submissions, config={**topics.submissions.config, "message.timestamp.type": "CreateTime"}),
        replace(topics.insights, config={**topics.insights.config, "cleanup.policy": "delete"}),
        replace(topics.users, min_insync_replicas=2),
        replace(topics.dlq, config={**topics.dlq.config, **small}),
        replace(topics.audit, config={**topics.audit.config, **compacted, "retention.ms": "3600000"}),
    ]


SENTENCES = [
    "submissions has message.timestamp.type=CreateTime, but the pipeline needs LogAppendTime",
    "insights has cleanup.policy=delete, but the pipeline needs compact",
    "users has min.insync.replicas=2 and replicas=1, but ECG_MIN_INSYNC_REPLICAS says 1",
    "submissions.dlq has max.message.bytes=1048588, but ECG_MAX_BODY_BYTES says 18874368",
    "audit has cleanup.policy=compact, but the pipeline needs delete",
    "audit has retention.ms=3600000, but ECG_AUDIT_RETENTION_HOURS says 17520, 63072000000 ms",
]


def config_of(topic: Topic) -> dict[str, str]:
    return {"min.insync.replicas": str(topic.min_insync_replicas), **topic.config}


async def create(pipeline: Pipeline, *topics: Topic) -> None:
    """Create some topics before the pipeline creates the others."""

    async def reached() -> bool | None:
        try:
            async with admin_client(pipeline.settings):
                return True
        except KafkaConnectionError:
            return None

    await eventually(reached, what="the broker")
    async with admin_client(pipeline.settings) as admin:
        for topic in topics:
            new = NewTopic(topic.name, topic.partitions, topic.replicas, topic_configs=config_of(topic))
            response = await admin.create_topics([new])
            assert [error[1] for error in response.topic_errors] == [0], response


IMPATIENT = """
from shared.kafka import patience
patience.SECONDS = 1.0

from {package}.__main__ import main
main()
"""


async def ended(process: Process) -> str:
    """Wait until a process has ended by itself with code 1, and return its log."""
    code = await asyncio.to_thread(process.running.wait, 60)
    log = process.log.read_text()
    assert code == 1, log
    assert "Traceback" not in log
    return log


@pytest.mark.parametrize("partitions", [3, 6, 24])
async def test_nothing_starts_on_topics_with_another_number_of_partitions(
    new_pipeline: NewPipeline, partitions: int
) -> None:
    pipeline = new_pipeline()
    other = Topics(pipeline.settings.model_copy(update={"partitions": partitions}))
    await create(pipeline, *other)
    for process in (pipeline.start_gateway(), pipeline.start_worker()):
        log = await ended(process)
        for topic in (other.submissions, other.insights, other.dlq, other.audit):
            assert f"topic {topic.name} has partitions={partitions}, but ECG_PARTITIONS says {PARTITIONS}" in log


async def test_nothing_starts_if_only_the_table_has_another_number_of_partitions(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline()
    topics = Topics(pipeline.settings)
    await create(pipeline, replace(topics.insights, partitions=6))
    for process in (pipeline.start_gateway(), pipeline.start_worker()):
        assert f"topic {topics.insights.name} has partitions=6, but ECG_PARTITIONS says {PARTITIONS}" in await ended(
            process
        )


async def test_every_process_reports_every_difference(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline()
    await create(pipeline, *wrong(Topics(pipeline.settings)))
    creating = Process(
        "topics", [sys.executable, "-m", "shared.kafka.topics"], pipeline.env, pipeline.directory / "topics.log"
    )
    gateway, worker = pipeline.start_gateway(), pipeline.start_worker()
    creating.start()
    for process in (gateway, worker, creating):
        log = await ended(process)
        told = [line for line in log.splitlines() if "level=error" in line]
        assert len(told) == len(SENTENCES), log
        assert [sentence for sentence in SENTENCES if f"topic {pipeline.prefix}.{sentence}" not in log] == []


async def test_a_longer_retention_is_a_warning(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline()
    topics = Topics(pipeline.settings)
    config = {**topics.submissions.config, "retention.ms": "2592000000"}
    await create(pipeline, replace(topics.submissions, config=config))
    processes = (pipeline.start_gateway(), pipeline.start_worker())
    await pipeline.ready()
    for process in processes:
        [warning] = [line for line in process.log.read_text().splitlines() if "retention.ms" in line]
        assert "level=warning" in warning
        assert "ECG_SUBMISSIONS_RETENTION_HOURS says 168, 604800000 ms" in warning


@pytest.mark.kafka
async def test_a_topic_with_the_brokers_defaults_is_refused(broker: Broker, new_pipeline: NewPipeline) -> None:
    if broker.embedded:
        pytest.skip("the embedded broker does not tell its defaults")
    pipeline = new_pipeline()
    topics = Topics(pipeline.settings)
    await create(pipeline, Topic(topics.submissions.name, PARTITIONS), Topic(topics.keys.name, 1))
    log = await ended(pipeline.start_worker())
    for told in ("max.message.bytes=", "message.timestamp.type=CreateTime"):
        assert f"topic {topics.submissions.name} has {told}" in log
    for told in ("cleanup.policy=delete", "max.compaction.lag.ms=9223372036854775807"):
        assert f"topic {topics.keys.name} has {told}" in log


@pytest.mark.kafka
async def test_the_logged_commands_fix_the_topics(broker: Broker, new_pipeline: NewPipeline) -> None:
    if broker.embedded:
        pytest.skip("the embedded broker alters no topic")
    pipeline = new_pipeline()
    topics = wrong(Topics(pipeline.settings))
    await create(pipeline, *topics)
    log = await ended(pipeline.start_gateway())
    configs = {topic.name: config_of(topic) for topic in topics}
    commands = re.findall(r"run kafka-configs\.sh ([^\"\n]*)", log)
    assert len(commands) == len(SENTENCES)
    for command in commands:
        options = dict(itertools.pairwise(shlex.split(command)))
        assert options["--bootstrap-server"] == pipeline.bootstrap_servers
        name, value = options["--add-config"].split("=")
        configs[options["--entity-name"]][name] = value
    async with admin_client(pipeline.settings) as admin:
        # Unlike Kafka's tool, this request replaces the whole configuration of a topic.
        resources = [ConfigResource(ConfigResourceType.TOPIC, name, config) for name, config in configs.items()]
        for response in await admin.alter_configs(resources):
            assert [code for code, *_ in response.resources] == [0] * len(topics), response
    pipeline.gateways.clear()
    pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()


async def test_a_missing_broker_is_reported_without_a_traceback(new_pipeline: NewPipeline) -> None:
    pipeline, nowhere = new_pipeline(), f"127.0.0.1:{free_port()}"
    for start, package in ((pipeline.start_gateway, "ingest_api"), (pipeline.start_worker, "stream_agents")):
        impatient = start(IMPATIENT.format(package=package), ECG_BOOTSTRAP_SERVERS=nowhere)
        assert "the topics cannot be prepared" in await ended(impatient)
