"""Reading ECGs back while workers die, while the broker does not answer, and after signals have expired."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete

from shared.kafka.clients import admin_client, new_reader, partition_for
from shared.kafka.topics import Topics
from shared.messages import insights
from shared.messages.insights import Insights
from tests.support.brokers import Broker
from tests.support.ecgs import through_failover
from tests.support.pipeline import NewPipeline, Pipeline
from tests.support.reading import ECG, pages, row, submit


@pytest.mark.slow
async def test_a_worker_without_its_table_recovers_the_same_list(new_pipeline: NewPipeline) -> None:
    """The previous worker may have been killed before it committed, so that messages are delivered again."""
    pipeline = new_pipeline()
    pipeline.start_gateway()
    worker = pipeline.start_worker()
    await pipeline.ready()
    async with pipeline.client(token=await pipeline.register("clinic")) as client:
        ids = await submit(client, 60)
        before = await pages(client, 7)
        assert sorted(ecg["id"] for ecg in before) == sorted(ids)
        worker.kill()
        absent = await client.get("/ecgs")
        assert (absent.status_code, "retry-after" in absent.headers) == (503, True)
        pipeline.start_worker()
        assert (await through_failover(client, "/ecgs")).status_code == 200
        assert await pages(client, 7) == before
        # A new ECG comes first, and the order of the others stays the same.
        [newest] = await submit(client)
        assert [ecg["id"] for ecg in await pages(client, 7)] == [newest, *(ecg["id"] for ecg in before)]


@pytest.mark.slow
async def test_lists_and_signals_are_read_while_a_worker_is_dead(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline(ECG_SESSION_TIMEOUT="16")
    pipeline.start_gateway()
    pipeline.start_worker()
    victim = pipeline.start_worker()
    await pipeline.ready(workers=2)
    async with pipeline.client(token=await pipeline.register("clinic")) as client:
        ids = await submit(client, 60)
        before = await pages(client, 20)
        victim.kill()
        assert await pages(client, 20) == before
        assert {(await client.get(f"/ecgs/{ecg_id}")).status_code for ecg_id in ids} == {200}
        # ECGs in the dead worker's partitions are accepted, but not listed.
        accepted = [(await client.post("/ecgs", json=ECG)).json()["id"] for _ in range(20)]
        listed = {ecg["id"] for ecg in await pages(client, 20)}
        answers = {ecg_id: await client.get(f"/ecgs/{ecg_id}") for ecg_id in accepted}
        waiting = {ecg_id: answer.json() for ecg_id, answer in answers.items() if answer.status_code == 202}
        assert {answer.status_code for answer in answers.values()} <= {200, 202}
        assert waiting
        assert listed.isdisjoint(waiting)
        assert list(waiting.values()) == [{"detail": "Insights are still being processed"}] * len(waiting)


async def test_signals_cannot_be_read_while_the_broker_is_silent_and_can_be_afterwards(
    new_broker: Callable[[], Awaitable[Broker]], new_pipeline: NewPipeline
) -> None:
    broker = await new_broker()
    pipeline = new_pipeline(broker, ECG_QUERY_TIMEOUT="1")
    pipeline.start_gateway()
    # A list needs the broker for the audit only.
    pipeline.start_gateway(ECG_AUDIT="false")
    pipeline.start_worker()
    await pipeline.ready()
    token = await pipeline.register("clinic")
    async with pipeline.client(0, token) as client, pipeline.client(1, token) as unaudited:
        [ecg_id] = await submit(client)
        assert (await client.get(f"/ecgs/{ecg_id}")).status_code == 200
        broker.pause()
        try:
            # More requests than the gateway has readers.
            for silent in await asyncio.gather(*(client.get(f"/ecgs/{ecg_id}") for _ in range(10))):
                assert (silent.status_code, silent.headers["retry-after"]) == (503, "1")
                assert silent.json() == {"detail": "The signals cannot be read now, try again"}
            assert (await unaudited.get("/ecgs")).status_code == 200
        finally:
            broker.resume()
        assert (await through_failover(client, f"/ecgs/{ecg_id}")).status_code == 200


@pytest.mark.slow
async def test_an_offset_that_leads_to_another_ecg_shows_nothing_of_it(new_pipeline: NewPipeline) -> None:
    """This happens if the topic is created again while rows stay; here the rows are forged."""
    pipeline = new_pipeline()
    pipeline.start_gateway()
    worker = pipeline.start_worker()
    await pipeline.ready()
    token, stranger = await pipeline.register("clinic"), await pipeline.register("stranger")
    topics = Topics(pipeline.settings)
    async with pipeline.client(token=token) as client:
        [victim] = await submit(client)
        offset = (await row(pipeline, victim)).offset
        assert worker.stop() == 0
        home = partition_for(victim.encode(), topics.insights.partitions)
        names = (f"forged-{number}" for number in range(1000))
        forged = [name for name in names if partition_for(name.encode(), topics.insights.partitions) == home]
        rows = [
            Insights(forged[0], "stranger", accepted=1, offset=offset),
            Insights(forged[1], "clinic", accepted=1, offset=offset),
            Insights(forged[2], "clinic", accepted=1, offset=offset + 1000),
        ]
        async with AIOKafkaProducer(**pipeline.kafka) as producer:
            for forgery in rows:
                await producer.send_and_wait(
                    topics.insights.name, insights.encode(forgery), forgery.ecg_id.encode(), partition=home
                )
        pipeline.start_worker()
        assert (await through_failover(client, f"/ecgs/{victim}")).status_code == 200
        for forgery in rows:
            async with pipeline.client(token=token if forgery.username == "clinic" else stranger) as owner:
                assert (await owner.get(f"/ecgs/{forgery.ecg_id}/insights")).status_code == 200
                response = await owner.get(f"/ecgs/{forgery.ecg_id}")
                assert response.status_code == 410
                assert 'signal":' not in response.text


@pytest.mark.kafka
async def test_signals_deleted_by_retention_are_gone_and_all_else_stays(
    broker: Broker, new_pipeline: NewPipeline
) -> None:
    if broker.embedded:
        pytest.skip("the embedded broker deletes no records")
    pipeline = new_pipeline()
    pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()
    topic = Topics(pipeline.settings).submissions
    async with pipeline.client(token=await pipeline.register("clinic")) as client:
        old = await submit(client, 30)
        before = await pages(client, 200)
        ends = await ends_of(pipeline, topic.name, topic.partitions)
        async with admin_client(pipeline.settings) as admin:
            await admin.delete_records({partition: RecordsToDelete(end) for partition, end in ends.items()})
        for ecg_id in old:
            response = await client.get(f"/ecgs/{ecg_id}")
            assert (response.status_code, response.json()) == (
                410,
                {"detail": "The signals are no longer kept; the insights still are"},
            )
            assert (await client.get(f"/ecgs/{ecg_id}/insights")).status_code == 200
        assert await pages(client, 200) == before
        fresh = await submit(client, 30)
        assert {(await client.get(f"/ecgs/{ecg_id}")).status_code for ecg_id in fresh} == {200}
        # The new records are not taken for the signals of the old ECGs.
        assert {(await client.get(f"/ecgs/{ecg_id}")).status_code for ecg_id in old} == {410}


async def ends_of(pipeline: Pipeline, topic: str, partitions: int) -> dict[Any, int]:
    reader = new_reader(pipeline.settings)
    await reader.start()
    try:
        where = [TopicPartition(topic, number) for number in range(partitions)]
        return dict(await reader.end_offsets(where))
    finally:
        await reader.stop()
