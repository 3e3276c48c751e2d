"""Stopped and killed processes on a broker that keeps running: no accepted ECG is lost or denied."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

import httpx
import pytest

from ingest_api.users import tokens
from shared.kafka.topics import Topics
from tests.support.brokers import Broker
from tests.support.conditions import eventually
from tests.support.ecgs import EXPECTED, LEADS, insights, insights_through_failover, submit
from tests.support.pipeline import NewPipeline, Pipeline


async def test_a_worker_killed_in_mid_stream_loses_nothing(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline()
    pipeline.start_gateway()
    pipeline.start_worker()
    victim = pipeline.start_worker()
    await pipeline.ready(workers=2)
    async with pipeline.client(token=await pipeline.register("clinic")) as client:
        submitting = asyncio.create_task(submit(client, 480))
        # Accepted among the first of the others.
        accepted = await submit(client, 20)
        victim.kill()
        accepted += await submitting
        assert len(accepted) == 500
        for ecg_id in accepted:
            assert await insights_through_failover(client, ecg_id) == EXPECTED


@pytest.mark.slow
async def test_queries_are_answered_while_a_worker_is_dead(new_pipeline: NewPipeline) -> None:
    """The other worker's copy answers for finished ECGs; unfinished ones are known to be accepted."""
    pipeline = new_pipeline()
    pipeline.start_gateway()
    pipeline.start_worker()
    victim = pipeline.start_worker()
    await pipeline.ready(workers=2)
    async with pipeline.client(token=await pipeline.register("clinic")) as client:
        done = await submit(client, 50)
        for ecg_id in done:
            await insights(client, ecg_id)
        victim.kill()
        waiting = await submit(client, 50)
        assert {(await client.get(f"/ecgs/{ecg_id}/insights")).status_code for ecg_id in done} == {200}
        statuses = [(await client.get(f"/ecgs/{ecg_id}/insights")).status_code for ecg_id in waiting]
        assert set(statuses) == {200, 202}
        for ecg_id in waiting:
            assert await insights_through_failover(client, ecg_id) == EXPECTED


async def test_every_answer_holds_after_a_full_stop_and_restart(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline()
    pipeline.start_gateway()
    worker = pipeline.start_worker()
    await pipeline.ready()
    token, stranger = await pipeline.register("clinic"), await pipeline.register("stranger")
    async with pipeline.client(token=token) as client:
        done = await submit(client, 50)
        for ecg_id in done:
            await insights(client, ecg_id)
        assert worker.stop() == 0
        waiting = await submit(client, 50)
        assert len(waiting) == 50
    assert pipeline.gateways[0].stop() == 0
    pipeline.gateways.clear()
    pipeline.workers.clear()

    pipeline.start_gateway()
    async with pipeline.client(token=token) as client:

        async def alive() -> bool | None:
            try:
                return True if (await client.get("/health/ping")).status_code == 200 else None
            except httpx.HTTPError:
                return None

        await eventually(alive)
        # No worker runs: results cannot be looked up, but an accepted ECG is not denied.
        assert (await client.get(f"/ecgs/{waiting[0]}/insights")).status_code in (202, 503)
        missing = await client.get("/health/ready")
        assert (missing.status_code, missing.json()) == (503, {"status": "not ready", "missing": ["worker"]})
        pipeline.start_worker()
        await pipeline.ready()
        for ecg_id in [*done, *waiting]:
            assert await insights_through_failover(client, ecg_id) == EXPECTED
    async with pipeline.client(token=stranger) as client:
        assert (await client.get(f"/ecgs/{done[0]}/insights")).status_code == 404


async def test_no_ecg_accepted_by_a_stopping_gateway_is_lost(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline()
    first, _ = pipeline.start_gateway(), pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()
    token = await pipeline.register("clinic")
    accepted: list[str] = []
    refused = 0

    async def submit_until_refused(client: httpx.AsyncClient) -> None:
        nonlocal refused
        while True:
            try:
                response = await client.post("/ecgs", json={"leads": LEADS})
            except httpx.TransportError:
                refused += 1
                return
            if response.status_code != 201:
                assert response.status_code == 503
                refused += 1
                return
            accepted.append(response.json()["id"])

    clients = [pipeline.client(0, token) for _ in range(8)]
    submitting = asyncio.gather(*(submit_until_refused(client) for client in clients))

    async def many_accepted() -> bool | None:
        return len(accepted) > 100 or None

    await eventually(many_accepted, what="a hundred ECGs accepted")
    first.signal(signal.SIGTERM)
    await asyncio.wait_for(submitting, 15)
    assert await asyncio.to_thread(first.stop) == 0
    assert refused == 8
    async with pipeline.client(1, token) as client:
        for ecg_id in accepted:
            assert await insights(client, ecg_id) == EXPECTED


@pytest.mark.slow
async def test_submissions_are_refused_while_the_broker_does_not_answer(
    new_broker: Callable[[], Awaitable[Broker]], new_pipeline: NewPipeline
) -> None:
    """They get 503 with a Retry-After, memory stays bounded, and the gateway recovers by itself."""
    broker = await new_broker()
    pipeline = new_pipeline(broker, ECG_PUBLISH_TIMEOUT="3", ECG_MAX_INFLIGHT_BYTES=str(1 << 20))
    pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()
    body = {"leads": [{"name": "I", "signal": [1] * 150_000}]}
    async with pipeline.client(token=await pipeline.register("clinic")) as client:
        broker.pause()
        try:
            responses = await asyncio.gather(*(client.post("/ecgs", json=body) for _ in range(10)))
            assert {response.status_code for response in responses} == {503}
            assert all(int(response.headers["retry-after"]) >= 1 for response in responses)
            details = {response.json()["detail"] for response in responses}
            assert details == {
                "Too many submissions wait for the broker, try again",
                "The submission was not acknowledged by the broker, try again",
            }
            unknown = await client.post("/ecgs", json=body, headers={"x-user-token": tokens.new()})
            assert unknown.status_code == 503
            ready = await client.get("/health/ready")
            assert (ready.status_code, ready.json()["missing"]) == (503, ["broker", "users"])
        finally:
            broker.resume()

        async def accepted() -> str | None:
            response = await client.post("/ecgs", json={"leads": LEADS})
            return str(response.json()["id"]) if response.status_code == 201 else None

        await insights_through_failover(client, await eventually(accepted))


async def test_topics_are_created_once_with_their_settings(pipeline: Pipeline) -> None:
    from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType  # noqa: PLC0415

    from shared.kafka.clients import admin_client  # noqa: PLC0415

    topics = Topics(pipeline.settings)
    async with admin_client(pipeline.settings) as admin:
        await topics.create(admin)
        described = {topic["topic"]: topic for topic in await admin.describe_topics([t.name for t in topics])}
        for topic in topics:
            assert len(described[topic.name]["partitions"]) == topic.partitions
            resource = ConfigResource(ConfigResourceType.TOPIC, topic.name)
            [answer] = await admin.describe_configs([resource])
            configs = {entry[0]: entry[1] for entry in answer.resources[0][4]}
            assert topic.config.items() <= configs.items()
