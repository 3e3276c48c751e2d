"""A query that waits (`Prefer: wait=N`) needs only one call, even if workers join or die meanwhile."""

import asyncio
import json
import signal
import uuid
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from shared.kafka.topics import Topics
from shared.security.ids import IdIssuer
from tests.support.conditions import eventually
from tests.support.ecgs import EXPECTED, LEADS, backlog, submit
from tests.support.pipeline import SECRET, NewPipeline, Pipeline

PENDING = {"detail": "Insights are still being processed"}
# Seconds until the waiting queries have surely reached the worker.
_HELD = 0.5


@pytest_asyncio.fixture(scope="module")
async def client(pipeline: Pipeline) -> AsyncIterator[httpx.AsyncClient]:
    async with pipeline.client(token=await pipeline.register("waiting")) as client:
        yield client


def wait(client: httpx.AsyncClient, ecg_id: str, seconds: object = 30) -> asyncio.Task[httpx.Response]:
    """Start a query that waits."""
    headers = {"prefer": f"wait={seconds}"}
    return asyncio.create_task(client.get(f"/ecgs/{ecg_id}/insights", headers=headers, timeout=60))


async def publish(pipeline: Pipeline, username: str, *ids: str) -> None:
    """Produce ECGs with ids that queries may already wait for."""
    topic = Topics(pipeline.settings).submissions.name
    async with AIOKafkaProducer(**pipeline.kafka) as producer:
        for ecg_id in ids:
            body = {"id": ecg_id, "username": username, "leads": LEADS}
            await producer.send_and_wait(topic, json.dumps(body).encode(), ecg_id.encode())


def assert_answered(response: httpx.Response, seconds: int = 30) -> None:
    assert (response.status_code, response.headers.get("preference-applied")) == (200, f"wait={seconds}")
    assert response.json()["leads"] == EXPECTED


async def test_a_call_that_waits_is_answered_as_soon_as_the_insights_are_there(
    pipeline: Pipeline, client: httpx.AsyncClient
) -> None:
    chosen, issued = str(uuid.uuid4()), IdIssuer(SECRET).issue("waiting")
    waiting = [wait(client, ecg_id) for ecg_id in (chosen, issued, issued)]
    await asyncio.sleep(_HELD)
    await publish(pipeline, "waiting", chosen, issued)
    for response in await asyncio.gather(*waiting):
        assert_answered(response)


async def test_a_call_waits_for_a_worker_that_is_still_to_start(new_pipeline: NewPipeline) -> None:
    pipeline, token, accepted = await backlog(new_pipeline, 20)
    async with pipeline.client(token=token) as client:
        waiting = [wait(client, ecg_id) for ecg_id in accepted]
        pipeline.start_worker()
        for ecg_id, response in zip(accepted, await asyncio.gather(*waiting), strict=True):
            # On a busy machine a worker may take longer to start than a query may wait.
            assert_answered(response if response.status_code != 503 else await wait(client, ecg_id))


async def test_insights_that_are_there_are_answered_at_once_and_the_time_is_capped(client: httpx.AsyncClient) -> None:
    [ecg_id] = await submit(client, 1)
    assert_answered(await wait(client, ecg_id))
    assert_answered(await wait(client, ecg_id, 7), 7)
    assert_answered(await wait(client, ecg_id, 86_400), 30)


async def test_a_wait_that_ends_without_insights_gets_202(client: httpx.AsyncClient) -> None:
    response = await wait(client, IdIssuer(SECRET).issue("waiting"), 1)
    assert (response.status_code, response.json()) == (202, PENDING)
    assert response.headers["preference-applied"] == "wait=1"
    for malformed in ("soon", "-1", "0", ""):
        response = await wait(client, IdIssuer(SECRET).issue("waiting"), malformed)
        assert (response.status_code, response.json()) == (202, PENDING)
        assert "preference-applied" not in response.headers


async def test_waiting_does_not_reveal_another_users_ecg(pipeline: Pipeline, client: httpx.AsyncClient) -> None:
    mine, next_of_mine = str(uuid.uuid4()), str(uuid.uuid4())
    await publish(pipeline, "waiting", mine)
    assert_answered(await wait(client, mine))
    async with pipeline.client(token=await pipeline.register("waiting-stranger")) as stranger:
        # Longer than a gateway lets a worker hold a query.
        anothers = [wait(stranger, ecg_id, 4) for ecg_id in (mine, next_of_mine)]
        unknown = wait(stranger, str(uuid.uuid4()), 3)
        await publish(pipeline, "waiting", next_of_mine)
        assert_answered(await wait(client, next_of_mine))
        assert (await unknown).status_code == 404
        assert not any(call.done() for call in anothers)
        for ecg_id, response in zip((mine, next_of_mine), await asyncio.gather(*anothers), strict=True):
            assert (response.status_code, response.json()) == (404, {"detail": f"ECG not found for id {ecg_id}"})
        # The gateway recognises the owner of an issued id without a query.
        issued = IdIssuer(SECRET).issue("waiting")
        assert (await wait(stranger, issued)).status_code == 404


@pytest.mark.slow
async def test_waits_survive_the_death_of_the_worker_that_holds_them(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline()
    pipeline.start_gateway()
    victim, _ = pipeline.start_worker(), pipeline.start_worker()
    await pipeline.ready(workers=2)
    async with pipeline.client(token=await pipeline.register("clinic")) as client:
        ids = [IdIssuer(SECRET).issue("clinic") for _ in range(24)]
        waiting = [wait(client, ecg_id) for ecg_id in ids]
        await asyncio.sleep(_HELD)
        victim.kill()
        await publish(pipeline, "clinic", *ids)
        for response in await asyncio.gather(*waiting):
            assert_answered(response)


@pytest.mark.slow
async def test_waits_follow_partitions_to_a_worker_that_joins(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline()
    pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()
    async with pipeline.client(token=await pipeline.register("clinic")) as client:
        ids = [IdIssuer(SECRET).issue("clinic") for _ in range(24)]
        waiting = [wait(client, ecg_id) for ecg_id in ids]
        pipeline.start_worker()
        await pipeline.ready(workers=2)
        assert not any(call.done() for call in waiting)
        await publish(pipeline, "clinic", *ids)
        for response in await asyncio.gather(*waiting):
            assert_answered(response)


@pytest.mark.slow
async def test_more_waits_than_a_gateway_holds_are_answered_at_once_and_ended_ones_make_room(
    new_pipeline: NewPipeline,
) -> None:
    pipeline = new_pipeline(ECG_MAX_WAITS="1")
    pipeline.start_gateway()
    pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()
    token = await pipeline.register("clinic")
    async with pipeline.client(0, token) as client, pipeline.client(1, token) as other:
        ids = [IdIssuer(SECRET).issue("clinic") for _ in range(3)]
        held = wait(client, ids[0])
        await asyncio.sleep(_HELD)
        # The worker can hold no more waits, so that this gateway polls it.
        polled = wait(other, ids[1])
        response = await wait(client, ids[2])
        assert (response.status_code, response.json()) == (202, PENDING)
        assert "preference-applied" not in response.headers
        held.cancel()

        async def room() -> bool | None:
            applied = (await wait(client, ids[2], 1)).headers.get("preference-applied")
            return True if applied == "wait=1" else None

        await eventually(room, what="room for another wait")
        await publish(pipeline, "clinic", ids[1])
        assert_answered(await polled)


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
async def test_a_stopping_gateway_answers_waiting_queries(new_pipeline: NewPipeline, number: int) -> None:
    pipeline = new_pipeline()
    gateway = pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()
    async with pipeline.client(token=await pipeline.register("clinic")) as client:
        waiting = wait(client, IdIssuer(SECRET).issue("clinic"))
        await asyncio.sleep(_HELD)
        gateway.signal(number)
        response = await waiting
        assert (response.status_code, response.json()) == (202, PENDING)
    assert await asyncio.to_thread(gateway.stop) == 0
