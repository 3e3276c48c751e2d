"""Streams of events: all of the user's ECGs as they finish, and nobody else's."""

import asyncio
import json
import uuid
from collections import Counter

import httpx
import pytest
from aiokafka import AIOKafkaProducer

from shared.kafka.topics import Topics
from shared.settings import Settings
from tests.support.conditions import eventually
from tests.support.ecgs import EXPECTED, LEADS, insights, submit
from tests.support.events import Stream, stream
from tests.support.pipeline import PARTITIONS, NewPipeline, Pipeline


async def test_a_stream_has_all_ecgs_of_its_user_and_no_others(pipeline: Pipeline) -> None:
    tokens = [await pipeline.register(f"events-{name}") for name in ("a", "b", "c")]
    clients = [pipeline.client(number % 2, token) for number, token in enumerate(tokens)]
    async with stream(clients[0]) as a, stream(clients[1]) as b, stream(clients[0]) as again:
        accepted = await asyncio.gather(*(submit(client, 150) for client in clients))
        await asyncio.gather(a.read_until(accepted[0]), again.read_until(accepted[0]), b.read_until(accepted[1]))
    assert Counter(a.ids) == Counter(again.ids) == Counter(accepted[0])
    assert Counter(b.ids) == Counter(accepted[1])
    assert all(event == ("insights", {"ecg_id": event[1]["ecg_id"], "leads": EXPECTED}) for event in a.events)
    for client in clients:
        await client.aclose()


async def test_a_failed_ecg_comes_with_its_reason(pipeline: Pipeline) -> None:
    async with pipeline.client(token=await pipeline.register("events-failed")) as client, stream(client) as events:
        ecg_id = str(uuid.uuid4())
        body = {"id": ecg_id, "username": "events-failed", "leads": [{"name": "I", "signal": [0.5]}]}
        async with AIOKafkaProducer(**pipeline.kafka) as producer:
            topic = Topics(pipeline.settings).submissions.name
            await producer.send_and_wait(topic, json.dumps(body).encode(), ecg_id.encode())
        await events.read_until([ecg_id])
    detail = "leads[0].signal: must hold integers only: multiply fractions, and send adc_gain"
    assert events.events == [("failed", {"ecg_id": ecg_id, "detail": detail})]


async def test_an_event_has_the_label_of_its_ecg(pipeline: Pipeline) -> None:
    async with pipeline.client(token=await pipeline.register("events-label")) as client, stream(client) as events:
        response = await client.post("/ecgs", json={"leads": LEADS, "label": "rest.edf"})
        ecg_id = response.json()["id"]
        await events.read_until([ecg_id])
    assert events.events == [("insights", {"ecg_id": ecg_id, "label": "rest.edf", "leads": EXPECTED})]


@pytest.mark.slow
async def test_a_stream_is_resumed_on_another_gateway_after_its_own_was_killed(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline()
    victim, _ = pipeline.start_gateway(), pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()
    token = await pipeline.register("clinic")
    stranger = pipeline.client(1, await pipeline.register("stranger"))
    async with pipeline.client(0, token) as client, pipeline.client(1, token) as other, stranger:
        async with stream(client) as events:
            begin = await submit(client, 50)
            await events.read_until(begin)
            submitting = [asyncio.create_task(submit(each, 300)) for each in (other, stranger)]
            await eventually(lambda: _reached(events, 100), what="events")
            victim.kill()
            with pytest.raises(httpx.TransportError):
                await events.start()
        rest, _ = await asyncio.gather(*submitting)
        seen = set(events.ids)
        assert len(seen) < 350
        async with stream(other, events.last_id) as resumed:
            late = await submit(other, 50)
            await resumed.read_until({*rest, *late} - seen)
        assert seen | set(resumed.ids) == {*begin, *rest, *late}
        # Events before the id do not come again.
        assert not set(begin) & set(resumed.ids)


async def _reached(events: Stream, count: int) -> bool | None:
    return True if len(events.ids) >= count else None


@pytest.mark.slow
async def test_a_reader_that_does_not_read_for_a_while_gets_every_event(pipeline: Pipeline) -> None:
    """The events exceed all buffers: the gateway reads them from the topic later, and serves other readers at once."""
    token = await pipeline.register("events-slow")
    names = [f"{number:04}" + "x" * 124 for number in range(1024)]
    body = {"leads": [{"name": name, "signal": [1, -1]} for name in names]}
    async with pipeline.client(token=token) as client, stream(client) as slow, stream(client) as fast:
        ids = []
        for _ in range(100):
            ids.append((await client.post("/ecgs", json=body)).json()["id"])
        await fast.read_until(ids)
        await slow.read_until(ids)
        assert Counter(slow.ids) == Counter(fast.ids) == Counter(ids)
        last_id = slow.last_id
        late = await submit(client, 20)
        await slow.read_until(late)
        async with stream(client, last_id) as resumed:
            await resumed.read_until(late)
            assert Counter(resumed.ids) == Counter(late)


async def test_a_quiet_stream_has_keep_alives_with_new_ids(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline(ECG_KEEP_ALIVE="0.2")
    pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()
    quiet, busy = [await pipeline.register(name) for name in ("quiet", "busy")]
    async with pipeline.client(token=quiet) as client, pipeline.client(token=busy) as other:
        async with stream(client) as events:
            events.start()
            await eventually(lambda: _alive(events, 2), what="signs of life")
            before = events.last_id
            for ecg_id in await submit(other, 10):
                await insights(other, ecg_id)
            count = events.comments + 2
            await eventually(lambda: _alive(events, count), what="signs of life")
            assert events.last_id != before
            assert not events.start().done()
            # The token is revoked: the stream ends.
            await pipeline.register("quiet")
            await events.start()
        assert events.events == []
        response = await client.get("/events")
        assert (response.status_code, response.json()) == (401, {"detail": "Invalid user token"})


async def _alive(events: Stream, count: int) -> bool | None:
    return True if events.comments >= count else None


@pytest.mark.slow
async def test_streams_end_when_their_gateway_stops(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline()
    gateway = pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()
    async with pipeline.client(token=await pipeline.register("clinic")) as client, stream(client) as events:
        stopping = asyncio.create_task(asyncio.to_thread(gateway.stop))
        # The stream ends properly: reading one that is cut off would raise an error.
        await events.start()
        assert await stopping == 0


async def test_streams_are_limited_per_user_and_in_total(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline(ECG_MAX_STREAMS="3", ECG_MAX_STREAMS_PER_USER="2")
    pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()
    tokens = [await pipeline.register(name) for name in ("a", "b")]
    async with pipeline.client(token=tokens[0]) as a, pipeline.client(token=tokens[1]) as b:
        async with stream(a), stream(a):
            response = await a.get("/events")
            assert response.status_code == 429
            assert int(response.headers["retry-after"]) >= 1
            async with stream(b):
                response = await b.get("/events")
                assert response.status_code == 503
                assert int(response.headers["retry-after"]) >= 1

        async def room() -> bool | None:
            async with b.stream("GET", "/events") as one, b.stream("GET", "/events") as two:
                return True if {one.status_code, two.status_code} == {200} else None

        await eventually(room, what="room for streams")


@pytest.mark.parametrize("token", ["", "ecg_unknown"])
async def test_a_stream_needs_a_token(pipeline: Pipeline, token: str) -> None:
    async with pipeline.client(token=token) as client:
        response = await client.get("/events", headers={"last-event-id": "?"})
        assert (response.status_code, response.json()) == (401, {"detail": "Invalid user token"})


async def test_an_invalid_event_id_is_refused(pipeline: Pipeline) -> None:
    async with pipeline.client(token=await pipeline.register("events-tampered")) as client:
        async with stream(client) as events:
            events.start()
            await eventually(lambda: _has_id(events), what="an id")
        good = events.last_id
        changed = [good[:i] + ("A" if good[i] != "A" else "B") + good[i + 1 :] for i in range(len(good))]
        for bad in (*changed, good[:-1], good + "A", good + "=", "0", "-", "x" * 100):
            response = await client.get("/events", headers={"last-event-id": bad})
            assert (response.status_code, response.json()["field"]) == (422, "last-event-id"), bad
        async with stream(client, good):
            pass


async def _has_id(events: Stream) -> bool | None:
    return True if events.last_id else None


async def test_a_position_beyond_the_end_of_the_topic_starts_at_its_beginning(pipeline: Pipeline) -> None:
    """After a topic was lost and created again, the stream has its records instead of waiting for the old position."""
    from ingest_api.kafka.offset_cursor import OffsetCursors  # noqa: PLC0415

    settings: Settings = pipeline.settings
    position = OffsetCursors(settings, Topics(settings).insights, PARTITIONS).encode([1_000_000] * PARTITIONS)
    async with pipeline.client(token=await pipeline.register("events-anew")) as client:
        ids = await submit(client, 20)
        for ecg_id in ids:
            await insights(client, ecg_id)
        async with stream(client, position) as events:
            await events.read_until(ids)
        assert set(events.ids) == set(ids)
