"""Erasure: an erased ECG is in no answer from then on, and leaves topics and files in the end."""

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from local_stack.broker import free_port
from shared.data_keys import HEADER as DATA_KEY_HEADER
from shared.kafka.clients import admin_client, partition_for, worker_group
from shared.kafka.topics import Topics
from shared.messages.erasures import CONTENT_TYPE, Erasure, Erasures
from tests.support.conditions import eventually
from tests.support.ecgs import insights
from tests.support.events import stream
from tests.support.messages import dead_letter
from tests.support.metrics import scrape
from tests.support.pipeline import ADMIN_TOKEN, PARTITIONS, SECRET, NewPipeline, Pipeline
from tests.support.reading import records, submit

ADMIN = {"x-admin-token": ADMIN_TOKEN}
UNKNOWN = "00000000-0000-8000-8000-000000000000"
SEALED = {"ECG_ENCRYPT_SUBMISSIONS": "true"}
# Random samples of 16 bits, so that the sequence does not occur elsewhere by chance.
SIGNAL = [random.Random(7).randint(-30000, 30000) for _ in range(64)]
SECRET_ECG: dict[str, Any] = {"leads": [{"name": "V5", "signal": SIGNAL}]}
PLAIN = (
    b"".join(sample.to_bytes(2, "little", signed=True) for sample in SIGNAL[:8]),
    ",".join(map(str, SIGNAL[:8])).encode(),
    ", ".join(map(str, SIGNAL[:8])).encode(),
)


@pytest_asyncio.fixture(scope="module")
async def owner(pipeline: Pipeline) -> AsyncIterator[httpx.AsyncClient]:
    async with pipeline.client(token=await pipeline.register("eraser")) as client:
        yield client


async def statuses(client: httpx.AsyncClient, ecg_id: str) -> list[int]:
    return [(await client.get(path)).status_code for path in (f"/ecgs/{ecg_id}/insights", f"/ecgs/{ecg_id}")]


async def listed(client: httpx.AsyncClient) -> list[str]:
    response = await client.get("/ecgs", params={"limit": 200})
    assert response.status_code == 200, response.text
    return [ecg["id"] for ecg in response.json()["ecgs"]]


async def test_an_erased_ecg_is_in_no_answer(pipeline: Pipeline, owner: httpx.AsyncClient) -> None:
    gone, stays = await submit(owner, 2)
    other = pipeline.client(1, owner.headers["x-user-token"])
    response = await owner.delete(f"/ecgs/{gone}")
    assert (response.status_code, response.content) == (204, b"")
    async with other:
        for client in (owner, other):
            assert await statuses(client, gone) == [404, 404]
            assert gone not in (ids := await listed(client))
            assert stays in ids
        waiting = await other.get(f"/ecgs/{gone}/insights", headers={"prefer": "wait=1"})
        unknown = await other.get(f"/ecgs/{UNKNOWN}/insights")
        assert waiting.status_code == 404
        assert waiting.text.replace(gone, UNKNOWN) == unknown.text
        # A client that did not get the answer may repeat the request.
        assert (await other.delete(f"/ecgs/{gone}")).status_code == 204
    assert await statuses(owner, stays) == [200, 200]


async def test_only_the_owner_erases_an_ecg(pipeline: Pipeline, owner: httpx.AsyncClient) -> None:
    [ecg_id] = await submit(owner)
    async with pipeline.client(token=await pipeline.register("not-the-eraser")) as stranger:
        foreign, unknown = [await stranger.delete(f"/ecgs/{tried}") for tried in (ecg_id, UNKNOWN)]
        assert foreign.status_code == unknown.status_code == 404
        assert foreign.text.replace(ecg_id, UNKNOWN) == unknown.text
    async with pipeline.client() as nobody:
        assert (await nobody.delete(f"/ecgs/{ecg_id}")).status_code == 401
    assert await statuses(owner, ecg_id) == [200, 200]


async def test_an_ecg_that_was_produced_onto_kafka_is_erased_too(pipeline: Pipeline, owner: httpx.AsyncClient) -> None:
    ecg_id = "holter-7:erase-me"
    ecg = orjson.dumps({"id": ecg_id, "username": "eraser", "leads": [{"name": "I", "signal": [1, -1]}]})

    async def produced() -> bool | None:
        return (await statuses(owner, ecg_id)) == [200, 200] or None

    async with AIOKafkaProducer(**pipeline.kafka) as producer:
        await producer.send_and_wait(Topics(pipeline.settings).submissions.name, ecg, ecg_id.encode())
        await eventually(produced, what="its insights")
        assert (await owner.delete(f"/ecgs/{ecg_id}")).status_code == 204
        assert await statuses(owner, ecg_id) == [404, 404]
        # The id can be used again.
        await producer.send_and_wait(Topics(pipeline.settings).submissions.name, ecg, ecg_id.encode())
        await eventually(produced, what="its insights")


async def test_an_unprocessed_ecg_is_erased_once_it_is_processed(new_pipeline: NewPipeline) -> None:
    """The worker processes the submission before the erasure, so that there may be a row for a moment."""
    pipeline = new_pipeline(ECG_QUERY_TIMEOUT="1")
    pipeline.start_gateway()
    await pipeline.alive()
    async with pipeline.client(token=await pipeline.register("hasty")) as client:
        ecg_id = (await client.post("/ecgs", json=SECRET_ECG)).json()["id"]
        assert (await client.delete(f"/ecgs/{ecg_id}")).status_code == 202
        pipeline.start_worker()

        async def erased() -> bool | None:
            return (await client.get(f"/ecgs/{ecg_id}/insights")).status_code == 404 or None

        await eventually(erased, what="the erasure")
        await submit(client, 24)
        assert {(await client.get(f"/ecgs/{ecg_id}{path}")).status_code for path in ("", "/insights")} == {404}
        assert ecg_id not in {ecg["id"] for ecg in (await client.get("/ecgs")).json()["ecgs"]}


async def test_a_resumed_stream_leaves_out_erased_ecgs(pipeline: Pipeline, owner: httpx.AsyncClient) -> None:
    async with stream(owner) as events:
        first = await submit(owner)
        await events.read_until(first)
    gone, stays = await submit(owner, 2)
    assert (await owner.delete(f"/ecgs/{gone}")).status_code == 204
    async with stream(owner, events.last_id) as resumed:
        await resumed.read_until([stays])
        last = await submit(owner)
        await resumed.read_until(last)
    assert gone not in resumed.ids


async def rewind(pipeline: Pipeline) -> None:
    """Have the next worker process all submissions once more; none may run."""
    topic = Topics(pipeline.settings).submissions
    options = {"group_id": worker_group(pipeline.settings), "enable_auto_commit": False}
    async with AIOKafkaConsumer(**pipeline.kafka, **options) as consumer:
        partitions = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
        consumer.assign(partitions)
        await consumer.commit(dict.fromkeys(partitions, 0))


# The embedded broker takes commits only from members of a group.
@pytest.mark.kafka
async def test_redelivered_messages_restore_no_erased_ecg(new_pipeline: NewPipeline) -> None:
    """The submission comes again, and its erasure some time later: meanwhile the ECG must not be back."""
    pipeline = new_pipeline()
    pipeline.start_gateway()
    worker = pipeline.start_worker()
    await pipeline.ready()
    async with pipeline.client(token=await pipeline.register("again")) as client:
        ids = await submit(client, 20)
        assert {(await client.delete(f"/ecgs/{ecg_id}")).status_code for ecg_id in ids} == {204}
        worker.stop()
        await rewind(pipeline)
        port = free_port()
        pipeline.start_worker(ECG_METRICS_PORT=str(port))
        seen: set[int] = set()

        async def erased_again() -> bool | None:
            seen.update([(await client.get(f"/ecgs/{ecg_id}/insights")).status_code for ecg_id in ids])
            with contextlib.suppress(httpx.ConnectError):
                return (await scrape(port))("ecg_worker_erasures_total") == len(ids) or None
            return None

        await eventually(erased_again, interval=0.0, what="every erasure processed again")
        assert seen <= {404, 503}


async def test_a_retry_after_the_erasure_is_a_new_submission(owner: httpx.AsyncClient) -> None:
    key = {"idempotency-key": "erased"}
    ecg_id = (await owner.post("/ecgs", json=SECRET_ECG, headers=key)).json()["id"]
    await insights(owner, ecg_id)
    assert (await owner.delete(f"/ecgs/{ecg_id}")).status_code == 204
    assert (await owner.post("/ecgs", json=SECRET_ECG, headers=key)).json()["id"] == ecg_id

    async def back() -> bool | None:
        return (await statuses(owner, ecg_id)) == [200, 200] or None

    await eventually(back, what="the ECG")


async def test_a_producer_cannot_forge_an_erasure(pipeline: Pipeline, owner: httpx.AsyncClient) -> None:
    [ecg_id] = await submit(owner)
    partition = partition_for(ecg_id.encode(), PARTITIONS)
    forged = Erasures("another secret of thirty-two letters").seal(Erasure("eraser", ecg_id))
    foreign = Erasures(SECRET).seal(Erasure("somebody-else", ecg_id))
    tampered = Erasures(SECRET).seal(Erasure("somebody-else")).replace(b"somebody-else", b"eraser")
    headers = [("content-type", CONTENT_TYPE.encode())]
    async with AIOKafkaProducer(**pipeline.kafka) as producer:
        topic = Topics(pipeline.settings).submissions.name
        # This one is sealed, and erases nothing: the ECG is another user's.
        await producer.send_and_wait(topic, foreign, ecg_id.encode(), partition, headers=headers)
        for value in (forged, tampered, b"", b"{}"):
            sent = await producer.send_and_wait(topic, value, ecg_id.encode(), partition, headers=headers)
            _, reason = await dead_letter(pipeline, sent.offset, partition)
            assert reason["dlq-error-class"] == "NotSealed"
    assert await statuses(owner, ecg_id) == [200, 200]


async def test_a_new_user_with_a_deleted_users_name_gets_none_of_their_ecgs(pipeline: Pipeline) -> None:
    token, other = await pipeline.register("leaving"), await pipeline.register("staying")
    async with (
        pipeline.client(token=token) as client,
        pipeline.client(1, other) as neighbour,
        pipeline.client() as admin,
    ):
        ids, theirs = await asyncio.gather(submit(client, 40), submit(neighbour, 5))
        assert (await admin.delete("/users/leaving", headers=ADMIN)).status_code == 204
        assert (await client.get("/ecgs")).status_code == 401
        assert sorted(await listed(neighbour)) == sorted(theirs)
        assert (await admin.delete("/users/leaving", headers=ADMIN)).status_code == 404
    async with pipeline.client(1, await pipeline.register("leaving")) as successor:
        assert await listed(successor) == []
        assert [await statuses(successor, ecg_id) for ecg_id in ids] == [[404, 404]] * len(ids)
        [new] = await submit(successor)
        assert await listed(successor) == [new]
    latest = {row.key: row.value for row in await records(pipeline, Topics(pipeline.settings).insights)}
    assert not [ecg_id for ecg_id in ids if b"leaving" in latest[ecg_id.encode()]]


async def test_sealed_submissions_are_read_like_plain_ones(new_pipeline: NewPipeline) -> None:
    """Even if several gateways make the user's key at the same time."""
    pipeline = new_pipeline(**SEALED)
    for _ in range(2):
        pipeline.start_gateway()
        pipeline.start_worker()
    await pipeline.ready(2)
    token = await pipeline.register("sealed")
    async with pipeline.client(0, token) as one, pipeline.client(1, token) as other:
        clients = (one, other)
        accepted = await asyncio.gather(*(clients[i % 2].post("/ecgs", json=SECRET_ECG) for i in range(20)))
        for number, response in enumerate(accepted):
            ecg_id = response.json()["id"]
            reader = clients[number // 2 % 2]
            await insights(reader, ecg_id)
            [lead] = (await reader.get(f"/ecgs/{ecg_id}")).json()["leads"]
            assert lead["signal"] == SIGNAL
    sealed = await records(pipeline, Topics(pipeline.settings).submissions)
    assert len(sealed) == 20
    assert all(DATA_KEY_HEADER in dict(record.headers) for record in sealed)


async def test_the_label_of_a_sealed_submission_is_sealed_too_and_read_by_every_gateway(
    new_pipeline: NewPipeline,
) -> None:
    pipeline = new_pipeline(**SEALED)
    for _ in range(2):
        pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()
    token = await pipeline.register("sealed-labels")
    async with pipeline.client(0, token) as one, pipeline.client(1, token) as other, stream(other) as events:
        [ecg_id] = await submit(one, label="night at home")
        await events.read_until([ecg_id])
        assert events.events[0][1]["label"] == "night at home"
        for client in (one, other):
            for query in ({}, {"label": "night"}):
                [ecg] = (await client.get("/ecgs", params=query)).json()["ecgs"]
                assert (ecg["id"], ecg["label"]) == (ecg_id, "night at home")
            assert (await client.get("/ecgs", params={"label": "day"})).json()["ecgs"] == []
            assert (await client.get(f"/ecgs/{ecg_id}")).json()["label"] == "night at home"
        for topic in Topics(pipeline.settings):
            assert not any(b"night" in (record.value or b"") for record in await records(pipeline, topic))
        assert (await one.delete(f"/ecgs/{ecg_id}")).status_code == 204
        [*_, erased] = await records(pipeline, Topics(pipeline.settings).insights)
        assert b"label" not in (erased.value or b"")


async def test_nobody_can_open_a_sealed_submission_of_a_deleted_user(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline(ECG_QUERY_TIMEOUT="1", **SEALED)
    pipeline.start_gateway()
    await pipeline.alive()
    async with pipeline.client(token=await pipeline.register("brief")) as client:
        ecg_id = (await client.post("/ecgs", json=SECRET_ECG)).json()["id"]
        assert (await client.delete("/users/brief", headers=ADMIN)).status_code == 202
    successor = pipeline.client(token=await pipeline.register("brief"))
    pipeline.start_worker()
    await pipeline.ready()
    async with successor:
        _, reason = await dead_letter(pipeline, 0, partition_for(ecg_id.encode(), PARTITIONS))
        assert reason["dlq-error-class"] == "KeyDestroyed"
        assert await statuses(successor, ecg_id) == [404, 404]
        # A new user with the same name gets a new key.
        await insights(successor, (await successor.post("/ecgs", json=SECRET_ECG)).json()["id"])


async def traces(pipeline: Pipeline) -> list[str]:
    """Return the topics and the files (of tables, of logs) that contain the plain signal."""
    found: list[str] = []
    for topic in Topics(pipeline.settings):
        for record in await records(pipeline, topic):
            if any(plain in (record.value or b"") for plain in PLAIN):
                found.append(topic.name.removeprefix(pipeline.prefix))
    files = [path for path in pipeline.directory.rglob("*") if path.is_file()]
    found += [path.name for path in files if any(plain in path.read_bytes() for plain in PLAIN)]
    return sorted(set(found))


@pytest.mark.parametrize(("sealed", "left"), [(True, []), (False, [".submissions", ".submissions.dlq"])])
async def test_traces_of_a_plain_signal_after_its_user_was_deleted(
    new_pipeline: NewPipeline, sealed: bool, left: list[str]
) -> None:
    """Without sealing, the topics keep it until their retention ends, which shows that the search can find it."""
    pipeline = new_pipeline(ECG_LOG_LEVEL="DEBUG", ECG_ACCESS_LOG="true", **(SEALED if sealed else {}))
    pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()
    async with pipeline.client(token=await pipeline.register("traced")) as client:
        ecg_id = (await client.post("/ecgs", json=SECRET_ECG)).json()["id"]
        await insights(client, ecg_id)
        # Make a dead letter of it: a forwarded record with a key that is not its id.
        topics = Topics(pipeline.settings)
        [record] = await records(pipeline, topics.submissions)
        async with AIOKafkaProducer(**pipeline.kafka) as producer:
            headers = [*record.headers, ("forwarded-from", b"elsewhere-0-0")]
            sent = await producer.send_and_wait(topics.submissions.name, record.value, b"other", 0, headers=headers)
        await dead_letter(pipeline, sent.offset, 0)
        assert (await client.delete("/users/traced", headers=ADMIN)).status_code == 204
    pipeline.stop()
    assert await traces(pipeline) == left


@pytest.mark.kafka
async def test_compaction_removes_rows_and_keys_from_the_brokers_disks(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline(**SEALED)
    pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()
    topics = Topics(pipeline.settings)
    soon = {"max.compaction.lag.ms": "1000", "min.cleanable.dirty.ratio": "0.001", "segment.ms": "1000"}
    async with admin_client(pipeline.settings) as admin:
        for topic in (topics.insights, topics.keys):
            await admin.alter_configs(
                [ConfigResource(ConfigResourceType.TOPIC, topic.name, configs={**topic.config, **soon})]
            )
    async with pipeline.client(token=await pipeline.register("compacted")) as client:
        [ecg_id] = await submit(client)
        [key] = await records(pipeline, topics.keys)
        assert (await client.delete("/users/compacted", headers=ADMIN)).status_code == 204

    others = itertools.count()

    async def gone() -> bool | None:
        # A segment is closed, and can be compacted, when later records come.
        async with pipeline.client(token=await pipeline.register(f"other-{next(others)}")) as client:
            await submit(client, 24)
        rows = [row for row in await records(pipeline, topics.insights) if row.key == ecg_id.encode()]
        keys = [found for found in await records(pipeline, topics.keys) if found.value == key.value]
        return True if len(rows) == 1 and not keys else None

    await eventually(gone, interval=2, what="compaction")
