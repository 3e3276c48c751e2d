"""ECGs that tests read back, and their rows."""

import asyncio
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from shared.kafka.clients import new_reader, partition_for
from shared.kafka.topic import Topic
from shared.kafka.topics import Topics
from shared.messages import insights as insights_message
from tests.support.conditions import DEADLINE
from tests.support.ecgs import insights
from tests.support.pipeline import Pipeline

ECG = {"leads": [{"name": "I", "signal": [1, -1]}]}


async def submit(client: httpx.AsyncClient, count: int = 1, **fields: Any) -> list[str]:
    """Submit ECGs, 16 at a time, and wait until all are processed."""
    limit = asyncio.Semaphore(16)

    async def one() -> str:
        async with limit:
            response = await client.post("/ecgs", json={**ECG, **fields})
            assert response.status_code == 201, response.text
            await insights(client, response.json()["id"])
            return str(response.json()["id"])

    return await asyncio.gather(*(one() for _ in range(count)))


async def pages(client: httpx.AsyncClient, limit: int) -> list[dict[str, Any]]:
    """Return the ECGs of all pages of the list."""
    listed: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": limit}
    while True:
        response = await client.get("/ecgs", params=query)
        assert response.status_code == 200, response.text
        page = response.json()
        assert len(page["ecgs"]) <= limit
        listed += page["ecgs"]
        if page["next"] is None:
            return listed
        assert page["ecgs"], "a page that goes on is not empty"
        query["cursor"] = page["next"]


async def records(pipeline: Pipeline, topic: Topic) -> list[ConsumerRecord]:
    """Return all records of a topic, those of each partition in order."""
    partitions = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
    found: list[ConsumerRecord] = []
    async with new_reader(pipeline.settings) as reader:
        reader.assign(partitions)
        ends = await reader.end_offsets(partitions)
        async with asyncio.timeout(DEADLINE):
            while any([await reader.position(partition) < end for partition, end in ends.items()]):
                for batch in (await reader.getmany(timeout_ms=200)).values():
                    found += batch
    return found


async def row(pipeline: Pipeline, ecg_id: str) -> insights_message.Insights:
    """Return the last row of an ECG on the insights topic."""
    topics = Topics(pipeline.settings)
    where = TopicPartition(topics.insights.name, partition_for(ecg_id.encode(), topics.insights.partitions))
    consumer = AIOKafkaConsumer(**pipeline.kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([where])
        await consumer.seek_to_beginning(where)
        end = (await consumer.end_offsets([where]))[where]
        found: list[insights_message.Insights] = []
        while await consumer.position(where) < end:
            for records in (await consumer.getmany(where, timeout_ms=100)).values():
                found += [insights_message.decode(record.value) for record in records if record.key == ecg_id.encode()]
    finally:
        await consumer.stop()
    return found[-1]
