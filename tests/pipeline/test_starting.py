"""Processes wait for brokers that are not there yet."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiokafka import TopicPartition

from local_stack.broker import free_port
from shared.kafka.clients import new_reader
from shared.kafka.topics import Topics, create
from tests.support.brokers import Broker
from tests.support.conditions import eventually
from tests.support.ecgs import insights
from tests.support.link import Link
from tests.support.pipeline import NewPipeline
from tests.support.process import Process


async def test_processes_wait_for_the_brokers(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline()
    host, _, broker_port = pipeline.bootstrap_servers.partition(",")[0].partition(":")
    port = free_port()
    there = f"127.0.0.1:{port}"
    for process in (
        pipeline.start_gateway(ECG_BOOTSTRAP_SERVERS=there),
        pipeline.start_worker(ECG_BOOTSTRAP_SERVERS=there),
    ):

        async def waits(process: Process = process) -> bool | None:
            return "waiting for the brokers" in process.log.read_text() or None

        await eventually(waits, what=f"{process.name} waiting")
    async with Link(host, int(broker_port)).listening(port):
        await pipeline.ready()
        async with pipeline.client(token=await pipeline.register("early")) as client:
            answer = await client.post("/ecgs", json={"leads": [{"name": "I", "signal": [1, -1]}]})
            assert await insights(client, answer.json()["id"]) == [{"name": "I", "number_of_zero_crossings": 1}]


async def test_a_reader_stops_while_its_fetch_waits_after_an_error(
    new_pipeline: NewPipeline, new_broker: Callable[[], Awaitable[Broker]], caplog: pytest.LogCaptureFixture
) -> None:
    broker = await new_broker()
    settings = new_pipeline(broker).settings
    await create(settings)
    before = asyncio.all_tasks()
    reader = new_reader(settings, retry_backoff_ms=10_000)
    await reader.start()
    partition = TopicPartition(Topics(settings).users.name, 0)
    reader.assign([partition])
    assert await reader.position(partition) == 0
    assert not await reader.getmany(timeout_ms=1000)
    broker.kill()

    async def failed() -> bool | None:
        return "Failed fetch messages" in caplog.text or None

    await eventually(failed, what="a fetch that fails")
    await reader.stop()
    assert asyncio.all_tasks() == before
