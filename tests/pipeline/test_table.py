"""A worker's table agrees with its changelog, even if another process has written to the changelog."""

import json
from collections.abc import Callable

import httpx
from aiokafka import AIOKafkaProducer

from shared.kafka.topics import Topics
from shared.messages import insights
from shared.messages.insights import Insights
from tests.support.messages import PARTITION, found, messages
from tests.support.pipeline import Pipeline


async def test_records_of_others_on_the_changelog_are_applied_in_their_order(
    new_pipeline: Callable[..., Pipeline],
) -> None:
    """For example, the last records of a worker that was cut off arrive after the first ones of its successor."""
    pipeline = new_pipeline()
    pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()
    token = await pipeline.register("clinic")
    first, foreign, second, third = messages("clinic", 4)
    topics = Topics(pipeline.settings)
    async with pipeline.client(token=token) as client, AIOKafkaProducer(**pipeline.kafka) as producer:

        async def produce(message: dict[str, object]) -> None:
            key = str(message["id"]).encode()
            await producer.send_and_wait(topics.submissions.name, json.dumps(message).encode(), key)

        await produce(first)
        await found(pipeline, token, str(first["id"]))
        leads = [{"name": "foreign", "number_of_zero_crossings": 7}]
        row = insights.encode(Insights(str(foreign["id"]), "clinic", leads))
        await producer.send_and_wait(topics.insights.name, row, str(foreign["id"]).encode(), PARTITION)
        await produce(second)
        await found(pipeline, token, str(second["id"]))
        response = await client.get(f"/ecgs/{foreign['id']}/insights")
        assert (response.status_code, response.json()["leads"]) == (httpx.codes.OK, leads)
        await produce(third)
        assert await found(pipeline, token, str(third["id"]))
