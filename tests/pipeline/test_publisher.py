"""A producer whose sequence numbers are out of step, as after an outage in which it gave up a record, is replaced."""

import pytest
from aiokafka import TopicPartition

from ingest_api.kafka.publisher import Publisher
from shared.kafka.topics import Topics
from tests.support.brokers import Broker
from tests.support.ecgs import all_have_insights, backlog
from tests.support.pipeline import NewPipeline, Pipeline

# A worker that sends the third batch of every partition with a sequence number that the broker does not expect.
OUT_OF_STEP = """
from aiokafka import AIOKafkaProducer, TopicPartition
from stream_agents.__main__ import main

send_batch, sent = AIOKafkaProducer.send_batch, {}

async def skip(self, batch, topic, *, partition):
    sent[partition] = sent.get(partition, 0) + 1
    if sent[partition] == 3:
        self._txn_manager.increment_sequence_number(TopicPartition(topic, partition), 5)
    return await send_batch(self, batch, topic, partition=partition)

AIOKafkaProducer.send_batch = skip
main()
"""


@pytest.fixture(autouse=True)
def idempotent(broker: Broker) -> None:
    if broker.embedded:
        pytest.skip("the embedded broker numbers no records")


async def test_a_gateway_replaces_its_producer(pipeline: Pipeline) -> None:
    publisher, topic = Publisher(pipeline.settings), Topics(pipeline.settings).users.name
    await publisher.start()
    try:
        await publisher.publish(topic, b"{}", b"out-of-step")
        broken = publisher._producer
        broken._txn_manager.increment_sequence_number(TopicPartition(topic, 0), 5)
        await publisher.publish(topic, b"{}", b"out-of-step")
        assert publisher._producer is not broken
        await publisher.publish(topic, b"{}", b"out-of-step")
    finally:
        await publisher.stop()


async def test_a_worker_replaces_its_producer(new_pipeline: NewPipeline) -> None:
    pipeline, token, accepted = await backlog(new_pipeline, 300)
    worker = pipeline.start_worker(OUT_OF_STEP, ECG_BATCH_SIZE="4")
    await all_have_insights(pipeline, token, accepted)
    assert worker.running.poll() is None
    assert "replacing the producer" in worker.log.read_text()
