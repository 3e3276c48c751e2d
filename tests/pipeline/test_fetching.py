"""A fetch takes records of the requested partitions only, even if the group rebalances while it waits."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from faust.types import TP

from shared.kafka.clients import new_producer, new_reader
from shared.kafka.topics import Topics, create
from stream_agents.faust_fixes.consumer import ConsumerThread
from stream_agents.faust_fixes.offsets import Offsets
from stream_agents.faust_fixes.poll import Poll
from tests.support.conditions import eventually
from tests.support.pipeline import Pipeline

ASKED, OTHER = 0, 1
_WAIT = 10.0


class Fetching:
    """The fetch of Faust's consumer thread, with a real Kafka client."""

    def __init__(self, topic: str, consumer: AIOKafkaConsumer, producer: AIOKafkaProducer) -> None:
        self.consumer, self._producer, self._topic = consumer, producer, topic
        self.offsets: Offsets[TP] = Offsets()
        self._thread = ConsumerThread.__new__(ConsumerThread)
        faust = SimpleNamespace(offsets=self.offsets, flow_active=True)
        self._thread.consumer = cast("Any", faust)

    def tp(self, partition: int) -> TP:
        return TP(self._topic, partition)

    async def produce(self, partition: int) -> None:
        await self._producer.send_and_wait(self._topic, b"{}", b"key", partition)

    async def fetch(self, active: set[TP]) -> dict[TP, list[Poll]]:
        fetched = await self._thread._fetch_records(self.consumer, active, timeout=_WAIT, max_records=10)
        return cast("dict[TP, list[Poll]]", fetched)


@pytest_asyncio.fixture
async def fetching(pipeline: Pipeline) -> AsyncIterator[Fetching]:
    # With topics of its own, which no worker reads.
    settings = pipeline.settings.model_copy(update={"topic_prefix": f"{pipeline.prefix}-fetching", "partitions": 2})
    await create(settings)
    topic = Topics(settings).submissions.name
    async with new_reader(settings) as consumer, new_producer(settings) as producer:
        partitions = [TopicPartition(topic, ASKED), TopicPartition(topic, OTHER)]
        consumer.assign(partitions)
        for partition in partitions:
            end = (await consumer.end_offsets([partition]))[partition]
            consumer.seek(partition, end)
        yield Fetching(topic, consumer, producer)


async def test_a_waiting_fetch_takes_only_the_requested_partitions(fetching: Fetching) -> None:
    """Faust empties its set of partitions when a rebalance begins; to aiokafka an empty set means all partitions."""
    active = {fetching.tp(ASKED)}
    before = await fetching.consumer.position(fetching.tp(OTHER))
    waiting = asyncio.create_task(fetching.fetch(active))
    await asyncio.sleep(0)
    active.clear()
    await fetching.produce(OTHER)
    await fetching.produce(ASKED)
    assert [tp.partition for tp in await waiting] == [ASKED]
    assert await fetching.consumer.position(fetching.tp(OTHER)) == before
    assert await fetching.fetch(set()) == {}


async def test_records_fetched_while_the_consumer_goes_back_are_fetched_again(fetching: Fetching) -> None:
    tp = fetching.tp(ASKED)
    waiting = asyncio.create_task(fetching.fetch({tp}))
    await asyncio.sleep(0)
    fetching.offsets.went_back(tp)
    await fetching.produce(ASKED)
    assert await waiting == {}
    assert fetching.offsets.first_unstored() == {}

    async def again() -> list[Poll] | None:
        return (await fetching.fetch({tp})).get(cast("Any", TopicPartition(*tp)))

    [poll] = await eventually(again, what="the record")
    assert (len(poll.records), poll.turn) == (1, 1)
