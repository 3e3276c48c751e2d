"""Publishing: records in order, each under its offset, by a producer that is replaced once it is out of step."""

import asyncio
import gc
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from aiokafka.structs import ConsumerRecord

from ingest_api.kafka.publisher import Publisher
from shared.kafka import topics
from shared.kafka.clients import admin_client, partition_for
from shared.kafka.topics import Topics
from tests.support.brokers import Broker
from tests.support.ecgs import all_have_insights, backlog
from tests.support.pipeline import PARTITIONS, NewPipeline, Pipeline
from tests.support.reading import records

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


@pytest.fixture
def idempotent(broker: Broker) -> None:
    if broker.embedded:
        pytest.skip("the embedded broker numbers no records")


@pytest.fixture
def pipeline_alone(new_pipeline: NewPipeline) -> Pipeline:
    """A pipeline without processes: only the test produces records."""
    return new_pipeline(ECG_MAX_BODY_BYTES="65536")


@pytest_asyncio.fixture
async def publisher(pipeline_alone: Pipeline) -> AsyncIterator[Publisher]:
    await topics.create(pipeline_alone.settings)
    publisher = Publisher(pipeline_alone.settings)
    await publisher.start()
    yield publisher
    await publisher.stop()


async def submitted(pipeline: Pipeline) -> list[ConsumerRecord]:
    return await records(pipeline, Topics(pipeline.settings).submissions)


async def test_records_of_one_turn_are_stored_in_order(pipeline_alone: Pipeline, publisher: Publisher) -> None:
    """Together they are larger than a batch of a partition, each of them is nearly one of aiokafka's default size."""
    topic = Topics(pipeline_alone.settings).submissions.name
    sent = {b"%d" % number: random.Random(number).randbytes(14_000) for number in range(300)}
    offsets = await asyncio.gather(*(publisher.publish(topic, value, key) for key, value in sent.items()))
    stored = await submitted(pipeline_alone)
    assert {record.key: record.value for record in stored} == sent
    assert {record.key: record.offset for record in stored} == dict(zip(sent, offsets, strict=True))
    assert all(record.partition == partition_for(record.key, PARTITIONS) for record in stored)
    for partition in range(PARTITIONS):
        order = [int(record.key) for record in stored if record.partition == partition]
        assert order == sorted(order)


async def test_a_record_that_is_too_large_fails_alone(pipeline_alone: Pipeline, publisher: Publisher) -> None:
    topic, too_large = Topics(pipeline_alone.settings).submissions.name, 4 << 20
    answers = await asyncio.gather(
        *(publisher.publish(topic, bytes(size), b"key") for size in (10, too_large, 10)), return_exceptions=True
    )
    assert [answer if isinstance(answer, int) else type(answer) for answer in answers] == [
        0,
        MessageSizeTooLargeError,
        1,
    ]


async def test_a_record_that_the_broker_refuses_is_not_kept(
    broker: Broker, pipeline_alone: Pipeline, publisher: Publisher
) -> None:
    """Gateways look for garbage in cycles rarely."""
    if broker.embedded:
        pytest.skip("the embedded broker takes records of any size")
    topic = f"{pipeline_alone.prefix}.small"
    async with admin_client(pipeline_alone.settings) as admin:
        await admin.create_topics([NewTopic(topic, 1, 1, topic_configs={"max.message.bytes": "1000"})])
    await publisher.publish(topic, b"small", b"key")
    value = bytes(10_000)
    references = sys.getrefcount(value)
    gc.disable()
    try:
        for _ in range(3):
            with pytest.raises(KafkaError):
                await publisher.publish(topic, value, b"key")
        # The sender's tasks end.
        await publisher.publish(topic, b"small", b"key")
        assert sys.getrefcount(value) == references
    finally:
        gc.enable()


async def test_a_caller_that_gives_up_withdraws_no_record(pipeline_alone: Pipeline, publisher: Publisher) -> None:
    topic = Topics(pipeline_alone.settings).submissions.name
    # So that the producer knows where the partition is.
    await publisher.publish(topic, b"before", b"key")
    calls = [asyncio.create_task(publisher.publish(topic, b"%d" % number, b"key")) for number in range(3)]
    await asyncio.sleep(0)  # the first hands its record over
    calls[0].cancel()
    assert await asyncio.gather(*calls[1:]) == [2, 3]
    assert calls[0].cancelled()
    assert [record.value for record in await submitted(pipeline_alone)] == [b"before", b"0", b"1", b"2"]


async def test_records_wait_for_a_broker_that_stands_still(
    new_broker: Callable[[], Awaitable[Broker]], new_pipeline: NewPipeline
) -> None:
    broker = await new_broker()
    pipeline = new_pipeline(broker)
    await topics.create(pipeline.settings)
    topic, publisher = Topics(pipeline.settings).submissions.name, Publisher(pipeline.settings)
    await publisher.start()
    try:
        await publisher.publish(topic, b"before", b"key")
        broker.pause()
        try:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await publisher.publish(topic, b"given up", b"key")
            waiting = asyncio.gather(*(publisher.publish(topic, b"%d" % number, b"key") for number in range(3)))
            await asyncio.sleep(0)  # each hands its record over
        finally:
            broker.resume()
        assert await waiting == [2, 3, 4]
    finally:
        await publisher.stop()
    assert [record.value for record in await submitted(pipeline)] == [b"before", b"given up", b"0", b"1", b"2"]


async def test_a_stopped_publisher_sends_what_it_holds_and_takes_no_more(
    pipeline_alone: Pipeline, publisher: Publisher
) -> None:
    topic = Topics(pipeline_alone.settings).submissions.name
    await publisher.publish(topic, b"first", b"key")
    held = asyncio.create_task(publisher.publish(topic, b"held", b"key"))
    await asyncio.sleep(0)  # it hands its record over
    await publisher.stop()
    assert await held == 1
    with pytest.raises(KafkaError):
        await publisher.publish(topic, b"late", b"key")


@pytest.mark.usefixtures("idempotent")
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


@pytest.mark.usefixtures("idempotent")
async def test_a_worker_replaces_its_producer(new_pipeline: NewPipeline) -> None:
    pipeline, token, accepted = await backlog(new_pipeline, 300)
    worker = pipeline.start_worker(OUT_OF_STEP, ECG_BATCH_SIZE="4")
    await all_have_insights(pipeline, token, accepted)
    assert worker.running.poll() is None
    assert "replacing the producer" in worker.log.read_text()
