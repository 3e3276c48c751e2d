"""An offset is never committed before the row of its message is durable, even if a worker is killed in between."""

import re
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic

from local_stack.kafka import Distribution, KafkaCluster
from shared.kafka.clients import admin_client
from shared.kafka.topics import Topics
from tests.support.brokers import KafkaBroker, security
from tests.support.conditions import eventually
from tests.support.messages import PARTITION, found, messages
from tests.support.pipeline import PARTITIONS, Pipeline, Worker

pytestmark = pytest.mark.kafka


async def create_topics(cluster: KafkaCluster, pipeline: Pipeline) -> int:
    """Put the only replica of one partition of the changelog on a node of its own; return the node's number.

    The group's coordinator and the submissions are on the two other nodes: while the first one is frozen, offsets can
    be committed but rows cannot be written. All other topics are replicated, and keep working.
    """
    replicated = pipeline.settings.model_copy(update={"replication_factor": 3, "min_insync_replicas": 2})
    topics = Topics(replicated)
    coordinator = await cluster.coordinator(f"{pipeline.prefix}-stream-agents")
    lonely, *others = [node.node_id for node in cluster.nodes if node is not coordinator] + [coordinator.node_id]
    async with admin_client(pipeline.settings) as admin:
        for topic in (topics.submissions, topics.insights):
            assignment = dict.fromkeys(range(topic.partitions), others[-1:])
            if topic is topics.insights:
                assignment[PARTITION] = [lonely]
            config = {**topic.config, "min.insync.replicas": "1"}
            new = NewTopic(topic.name, -1, -1, replica_assignments=assignment, topic_configs=config)
            response = await admin.create_topics([new])
            assert [error[1] for error in response.topic_errors] == [0], response
        await topics.create(admin)
    return lonely


async def committed(pipeline: Pipeline) -> int:
    tp = TopicPartition(Topics(pipeline.settings).submissions.name, PARTITION)
    async with admin_client(pipeline.settings) as admin:
        offsets = await admin.list_consumer_group_offsets(f"{pipeline.prefix}-stream-agents", partitions=[tp])
    return int(offsets[tp].offset)


async def retried(worker: Worker, attempts: int) -> None:
    """Wait until the worker has tried to store a batch `attempts` times, which takes several commit intervals."""

    async def probe() -> bool | None:
        tried = [int(n) for n in re.findall(r'"storing a batch again" attempt=(\d+)', worker.log.read_text())]
        return True if max(tried, default=0) >= attempts else None

    await eventually(probe, 60, what="the worker storing its batch again")


async def test_a_worker_killed_while_its_rows_cannot_be_written_has_committed_nothing(
    kafka: Distribution, tmp_path: Path
) -> None:
    async with KafkaCluster(kafka, tmp_path / "kafka", nodes=3, security=security(tmp_path / "security")) as cluster:
        overrides = {"ECG_PARTITIONS": str(PARTITIONS), "ECG_SESSION_TIMEOUT": "3"}
        pipeline = Pipeline(KafkaBroker(cluster), tmp_path, "commit", overrides)
        lonely = cluster.nodes[await create_topics(cluster, pipeline) - 1]
        topic = Topics(pipeline.settings).submissions.name
        try:
            pipeline.start_gateway()
            worker = pipeline.start_worker()
            await pipeline.ready()
            token = await pipeline.register("clinic")
            async with AIOKafkaProducer(**pipeline.kafka, acks="all") as producer:
                first, *rest = messages("clinic", 21)
                await producer.send_and_wait(topic, orjson.dumps(first), str(first["id"]).encode())
                await found(pipeline, token, str(first["id"]))

                async def is_committed() -> bool | None:
                    return True if await committed(pipeline) == 1 else None

                await eventually(is_committed, what="the first commit")
                lonely.pause()
                for body in rest:
                    await producer.send_and_wait(topic, orjson.dumps(body), str(body["id"]).encode())
            await retried(worker, 2)
            worker.kill()
            lonely.resume()
            assert await committed(pipeline) == 1
            pipeline.start_worker()
            await pipeline.ready()
            for body in rest:
                await found(pipeline, token, str(body["id"]))
            assert await eventually_all_committed(pipeline) == 21
        finally:
            lonely.resume()
            pipeline.stop()


async def eventually_all_committed(pipeline: Pipeline) -> int:
    async def probe() -> int | None:
        return offset if (offset := await committed(pipeline)) > 1 else None

    return await eventually(probe, what="the commit of what was processed again")
