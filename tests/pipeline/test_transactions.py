"""Producers may use transactions: an aborted one submits nothing."""

import uuid

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from shared.kafka.topics import Topics
from tests.support.brokers import Broker
from tests.support.messages import found, message
from tests.support.pipeline import Pipeline


async def test_an_aborted_transaction_submits_nothing_and_a_committed_one_does(
    broker: Broker, pipeline: Pipeline
) -> None:
    if broker.embedded:
        pytest.skip("the embedded broker has no transactions")
    token = await pipeline.register("transactional")
    topic = Topics(pipeline.settings).submissions.name
    aborted, committed = message("transactional"), message("transactional")
    async with AIOKafkaProducer(**pipeline.kafka, transactional_id=f"lab-{uuid.uuid4()}") as producer:
        for body, abort in ((aborted, True), (committed, False)):
            await producer.begin_transaction()
            # Both in one partition: once the committed ECG is processed, the aborted one would be too.
            await producer.send_and_wait(topic, orjson.dumps(body), committed["id"].encode())
            await (producer.abort_transaction() if abort else producer.commit_transaction())
    await found(pipeline, token, committed["id"])
    async with pipeline.client(token=token) as client:
        assert (await client.get(f"/ecgs/{aborted['id']}/insights")).status_code == 404
