"""The audit: every action is on record before it is answered, without data; only the administrator reads it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import orjson
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic

from ecg_client import AsyncEcgClient, AuditEvent, EcgClient
from ingest_api.audit.writer import AuditWriter
from ingest_api.kafka.publisher import Publisher
from shared.kafka.clients import admin_client
from shared.kafka.topics import Topics, create
from shared.messages import audit
from tests.support.brokers import Broker
from tests.support.conditions import eventually
from tests.support.ecgs import insights, through_failover
from tests.support.messages import found, message
from tests.support.pipeline import ADMIN_TOKEN, PARTITIONS, NewPipeline, Pipeline
from tests.support.reading import records

ADMIN = {"x-admin-token": ADMIN_TOKEN}
REFUSED = "The audit record could not be written, try again"
# Values by which a leak would be recognised: the sample is in no answer but that of the signals.
LEAD, SAMPLE = "Telltale", 987_654_321
MARKED = {"leads": [{"name": LEAD, "signal": [SAMPLE, -SAMPLE] * 50}]}
Event = dict[str, Any]


async def page(client: httpx.AsyncClient, **query: Any) -> tuple[list[Event], str | None]:
    response = await client.get("/audit", params=query, headers=ADMIN)
    assert response.status_code == 200, response.text
    return response.json()["events"], response.json()["next"]


async def events(client: httpx.AsyncClient, **query: Any) -> list[Event]:
    """Return the events of all pages."""
    every, following = await page(client, **query)
    while following is not None:
        more, following = await page(client, **query, cursor=following)
        every += more
    return every


async def actions(client: httpx.AsyncClient, **query: Any) -> list[str]:
    return [event["action"] for event in await events(client, **query)]


async def submit(client: httpx.AsyncClient) -> str:
    response = await client.post("/ecgs", json=MARKED)
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


async def raw(pipeline: Pipeline) -> list[bytes]:
    """Return the values of all records on the topic."""
    return [record.value for record in await records(pipeline, Topics(pipeline.settings).audit)]


async def test_every_action_is_on_record_on_every_gateway(pipeline: Pipeline) -> None:
    name = "audit-everything"
    token = await pipeline.register(name)
    assert (await pipeline.register(name, 1)) != token
    token = await pipeline.register(name, 1)
    async with pipeline.client(0, token) as here, pipeline.client(1, token) as there:
        ecg_id = (await here.post("/ecgs", json=MARKED, headers={"x-request-id": "submitting"})).json()["id"]
        await insights(there, ecg_id)
        known = await actions(here, username=name)
        for client, path in ((there, f"/ecgs/{ecg_id}"), (here, "/ecgs"), (there, f"/ecgs/{ecg_id}/insights")):
            assert (await client.get(path)).status_code == 200
        assert (await here.delete(f"/ecgs/{ecg_id}")).status_code == 204
        async with here.stream("GET", "/events") as stream:
            assert stream.status_code == 200
        assert (await there.delete(f"/users/{name}", headers=ADMIN)).status_code == 204
        assert known == ["user_registered", "token_rotated", "token_rotated", "ecg_submitted", "insights_read"]
        every = await events(here, username=name)
        assert [event["action"] for event in every[len(known) :]] == [
            "signals_read",
            "ecgs_listed",
            "insights_read",
            "ecg_erased",
            "events_followed",
            "user_deleted",
        ]
        assert {event["username"] for event in every} == {name}
        of_admin = {"user_registered", "token_rotated", "user_deleted"}
        assert {event["action"] for event in every if event["who"] == "admin"} == of_admin
        assert {event["who"] for event in every if event["action"] not in of_admin} == {name}
        of_ecg = {event["action"] for event in every if event["ecg_id"] == ecg_id}
        assert of_ecg == {"ecg_submitted", "insights_read", "signals_read", "ecg_erased"}
        assert all(event["ecg_id"] is None for event in every if event["action"] not in of_ecg)
        assert every[3]["request_id"] == "submitting"
        now = datetime.now(UTC)
        times = [datetime.fromisoformat(event["at"]) for event in every]
        assert all(before <= after for before, after in pairwise(times))
        assert now - timedelta(minutes=1) < times[0] <= times[-1] <= now


async def test_refused_requests_without_an_owner_leave_no_record(pipeline: Pipeline) -> None:
    name = "audit-silent"
    async with pipeline.client(token=await pipeline.register(name)) as client:
        for path in ("/ecgs/nobodys/insights", "/ecgs/nobodys", "/ecgs?cursor=none", "/ecgs?limit=0"):
            assert (await client.get(path)).status_code in (404, 422)
        assert (await client.post("/ecgs", json={"leads": []})).status_code == 422
        assert (await client.get("/ecgs", headers={"x-user-token": "ecg_wrong"})).status_code == 401
        assert (await client.delete("/users/audit-nobody", headers=ADMIN)).status_code == 404
        assert await actions(client, username=name) == ["user_registered"]
        assert await actions(client, username="audit-nobody") == []


async def test_requests_for_another_users_ecg_are_on_record_for_its_owner(pipeline: Pipeline) -> None:
    owner, other = "audit-owner", "audit-curious"
    token, strange = await pipeline.register(owner), await pipeline.register(other)
    direct = message(owner)
    async with AIOKafkaProducer(**pipeline.kafka) as producer:
        topic = Topics(pipeline.settings).submissions.name
        await producer.send_and_wait(topic, orjson.dumps(direct), direct["id"].encode())
    await found(pipeline, token, direct["id"])
    async with pipeline.client(0, token) as own, pipeline.client(1, strange) as client:
        issued = await submit(own)
        await insights(own, issued)
        asked = [f"/ecgs/{issued}", f"/ecgs/{issued}/insights", f"/ecgs/{direct['id']}/insights"]
        for path in asked:
            assert (await client.get(path, headers={"x-request-id": path[1:]})).status_code == 404

        async def on_record() -> list[Event] | None:
            refused = [event for event in await events(own, username=owner) if event["action"] == "refused"]
            return refused if len(refused) == len(asked) else None

        refused = await eventually(on_record, what="three refusals on record")
        assert {(event["who"], event["username"]) for event in refused} == {(other, owner)}
        assert Counter(event["ecg_id"] for event in refused) == {issued: 2, direct["id"]: 1}
        assert {event["request_id"] for event in refused} == {path[1:] for path in asked}
        # The attempts are found by the name of the other user too.
        assert (await actions(own, username=other)).count("refused") == len(asked)


async def test_neither_data_nor_tokens_are_on_the_topic(pipeline: Pipeline) -> None:
    name = "audit-discreet"
    token = await pipeline.register(name)
    async with pipeline.client(token=token) as client:
        ecg_id = await submit(client)
        [lead] = await insights(client, ecg_id)
        assert lead == {"name": LEAD, "number_of_zero_crossings": 99}
        assert str(SAMPLE) in (await client.get(f"/ecgs/{ecg_id}")).text
        assert (await client.get("/ecgs")).status_code == 200
    values = await raw(pipeline)
    of_ecg = [value for value in values if ecg_id.encode() in value]
    assert of_ecg
    for value in values:
        for secret in (LEAD, str(SAMPLE), "crossings", token, token[4:-6], ADMIN_TOKEN):
            assert secret.encode() not in value
        assert orjson.loads(value).keys() == {"events"}
        for event in orjson.loads(value)["events"]:
            assert event.keys() == {"at", "action", "who", "username", "ecg_id", "request_id"}


async def test_only_the_administrator_reads_the_audit(pipeline: Pipeline) -> None:
    token = await pipeline.register("audit-user")
    async with pipeline.client() as client:
        for headers in ({}, {"x-user-token": token}, {"x-admin-token": token}, {"x-admin-token": "wrong"}):
            response = await client.get("/audit", headers=headers)
            assert (response.status_code, response.json()) == (401, {"detail": "Invalid admin token"})


async def test_pages_have_each_event_once_while_more_come(pipeline: Pipeline) -> None:
    name = "audit-pages"
    token = await pipeline.register(name)
    async with pipeline.client(0, token) as here, pipeline.client(1, token) as there:
        ids = await asyncio.gather(*(submit(client) for _ in range(40) for client in (here, there)))
        seen: list[Event] = []
        following: str | None = ""
        late = []
        while following is not None:
            more, following = await page(here, username=name, limit=7, **({"cursor": following} if following else {}))
            assert len(more) <= 7
            seen += more
            late.append(await submit(there))
            assert len(late) < 200
        submitted = Counter(event["ecg_id"] for event in seen if event["action"] == "ecg_submitted")
        assert set(ids) <= set(submitted) <= {*ids, *late}
        assert set(submitted.values()) == {1}
        # The same cursor gives the same page on another gateway.
        _, second = await page(here, username=name, limit=7)
        assert second is not None
        assert await page(here, username=name, limit=7, cursor=second) == await page(
            there, username=name, limit=7, cursor=second
        )


async def test_events_are_found_by_user_ecg_and_time(pipeline: Pipeline) -> None:
    one, two = "audit-one", "audit-two/ä"
    async with (
        pipeline.client(token=await pipeline.register(one)) as client,
        pipeline.client(1, token=await pipeline.register(two)) as other,
    ):
        first = await submit(client)
        between = datetime.now(UTC)
        second, others = await submit(client), await submit(other)
        assert [event["ecg_id"] for event in await events(client, username=two)] == [None, others]
        assert [event["username"] for event in await events(client, ecg_id=first)] == [one]
        assert await actions(client, ecg_id=first, username=two) == []
        since, until = {"since": between.isoformat()}, {"until": between.isoformat()}
        assert [event["ecg_id"] for event in await events(client, username=one, **since)] == [second]
        assert [event["ecg_id"] for event in await events(client, username=one, **until)] == [None, first]
        assert await actions(client, username=one, **since, **until) == []
        far = {"since": (between + timedelta(days=1)).isoformat()}
        assert await actions(client, **far) == []
        for field, wrong in {
            "since": "yesterday",
            "until": "2026-11-24T10:00:00",
            "limit": "1001",
            "cursor": "AAAA",
        }.items():
            refused = await client.get("/audit", params={field: wrong}, headers=ADMIN)
            assert (refused.status_code, refused.json()["field"]) == (422, field)


async def test_a_gateway_whose_clock_is_ahead_hides_no_event_of_others(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline(ECG_AUDIT="false", ECG_PARTITIONS="1")
    pipeline.start_gateway()
    await pipeline.alive()
    now = datetime.now(UTC)
    async with AIOKafkaProducer(**pipeline.kafka) as producer:
        for seconds in (0, 300, 2):
            at = now + timedelta(seconds=seconds)
            record = audit.AuditRecord([audit.AuditEvent(at, "signals_read", "u", "u", f"ecg-{seconds}")])
            sent = {"timestamp_ms": int(at.timestamp() * 1000)}
            await producer.send_and_wait(Topics(pipeline.settings).audit.name, audit.encode(record), **sent)
    async with pipeline.client() as client:
        until = (now + timedelta(seconds=60)).isoformat()
        assert [event["ecg_id"] for event in await events(client, until=until)] == ["ecg-0", "ecg-2"]


async def test_a_page_reads_a_bounded_part_of_the_topic(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline(ECG_AUDIT="false")
    pipeline.start_gateway()
    await pipeline.alive()
    topic, count = Topics(pipeline.settings).audit.name, 1100
    async with AIOKafkaProducer(**pipeline.kafka, max_batch_size=1) as producer:
        sent = []
        for number in range(count):
            event = audit.AuditEvent(datetime.now(UTC), "signals_read", "u", "u", f"ecg-{number}")
            sent.append(await producer.send(topic, audit.encode(audit.AuditRecord([event])), None))
        sent.append(await producer.send(topic, b"neither ours nor an end of it", None))
        await asyncio.gather(*sent)
    async with pipeline.client() as client:
        read, following = await page(client, limit=1000)
        assert len(read) < 1000
        assert following is not None
        nothing, following = await page(client, username="nobody", limit=1)
        assert nothing == []
        assert following is not None
        assert {event["ecg_id"] for event in await events(client)} == {f"ecg-{number}" for number in range(count)}


async def test_simultaneous_events_share_a_record(pipeline: Pipeline) -> None:
    topics, count = Topics(pipeline.settings), 700
    publisher = Publisher(pipeline.settings)
    await publisher.start()
    writer = AuditWriter(pipeline.settings, topics, publisher)
    writer.start()
    try:
        written = [writer.note("signals_read", "audit-crowd", str(number)) for number in range(count)]
        # A request that was given up is not put on record.
        written.pop().cancel()
        assert all(await asyncio.gather(*written))
    finally:
        await writer.stop()
        await publisher.stop()
    sent = [audit.decode(value).events for value in await raw(pipeline) if b"audit-crowd" in value]
    assert sorted(map(len, sent)) == [199, 500]
    assert {event.ecg_id for of in sent for event in of} == set(map(str, range(count - 1)))


async def test_events_share_few_records_while_the_broker_does_not_answer(
    new_broker: Callable[[], Awaitable[Broker]], new_pipeline: NewPipeline
) -> None:
    broker, count = await new_broker(), 300
    pipeline = new_pipeline(broker)
    await create(pipeline.settings)
    publisher = Publisher(pipeline.settings)
    await publisher.start()
    writer = AuditWriter(pipeline.settings, Topics(pipeline.settings), publisher)
    writer.start()
    try:
        assert await writer.note("signals_read", "audit-crowd", "before")
        broker.pause()
        written = list[asyncio.Future[bool]]()
        for number in range(count):
            written.append(writer.note("signals_read", "audit-crowd", str(number)))
            await asyncio.sleep(0.001)
        broker.resume()
        assert all(await asyncio.gather(*written))
    finally:
        await writer.stop()
        await publisher.stop()
    sent = [audit.decode(value).events for value in await raw(pipeline)]
    assert {event.ecg_id for of in sent for event in of} == {"before", *map(str, range(count))}
    # Eight, and one more for each 50 ms.
    assert len(sent) < count // 5


async def test_waiting_events_are_bounded(pipeline: Pipeline) -> None:
    """The writer is not started, as if the broker was away."""
    writer = AuditWriter(pipeline.settings, Topics(pipeline.settings), Publisher(pipeline.settings))
    waiting = [writer.note("signals_read", "audit-crowd") for _ in range(10_000)]
    assert not any(written.done() for written in waiting)
    refused = writer.note("signals_read", "audit-crowd")
    assert refused.done()
    assert refused.result() is False


@pytest.mark.slow
async def test_a_request_that_cannot_be_put_on_record_is_not_answered(
    new_broker: Callable[[], Awaitable[Broker]], new_pipeline: NewPipeline
) -> None:
    broker = await new_broker()
    pipeline = new_pipeline(broker, ECG_QUERY_TIMEOUT="0.5", ECG_PUBLISH_TIMEOUT="3")
    pipeline.start_gateway()
    pipeline.start_gateway(ECG_AUDIT="false")
    pipeline.start_worker()
    await pipeline.ready()
    token = await pipeline.register("clinic")
    async with pipeline.client(0, token) as client, pipeline.client(1, token) as unaudited:
        ecg_id = await submit(client)
        await insights(client, ecg_id)
        before = await actions(client)
        read = [f"/ecgs/{ecg_id}/insights", "/ecgs"]
        broker.pause()
        try:
            for path in read:
                refused = await client.get(path)
                assert (refused.status_code, refused.json()) == (503, {"detail": REFUSED})
                assert refused.headers["retry-after"] == "1"
                # Without the audit the same query succeeds.
                assert (await unaudited.get(path)).status_code == 200
            assert (await client.post("/ecgs", json=MARKED)).status_code == 503
            assert (await client.get("/audit", headers=ADMIN)).status_code == 503
        finally:
            broker.resume()
        for path in read:
            assert (await through_failover(client, path)).status_code == 200

        async def audit_readable() -> bool | None:
            return (await client.get("/audit", headers=ADMIN)).status_code == 200 or None

        await eventually(audit_readable, what="the audit")
        # Events of refused requests may be on record too, but no answered request may be missing.
        after = Counter(await actions(client)) - Counter(before)
        assert after["insights_read"] >= 1
        assert after["ecgs_listed"] >= 1


@pytest.mark.kafka
async def test_nothing_is_answered_or_done_while_only_the_audit_cannot_be_written(
    broker: Broker, new_pipeline: NewPipeline
) -> None:
    if broker.embedded:
        pytest.skip("the embedded broker takes records of any size")
    pipeline = new_pipeline()
    topics = Topics(pipeline.settings)
    async with admin_client(pipeline.settings) as admin:
        # Created before the gateways would do it, with a limit into which no record fits.
        config = {**topics.audit.config, "max.message.bytes": "10"}
        await admin.create_topics([NewTopic(topics.audit.name, PARTITIONS, 1, topic_configs=config)])
    pipeline.start_gateway(ECG_AUDIT="false")
    pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()
    token = await pipeline.register("clinic", 0)
    async with pipeline.client(0, token) as unaudited, pipeline.client(1, token) as client:
        ecg_id = await submit(unaudited)
        await insights(unaudited, ecg_id)
        for path in (f"/ecgs/{ecg_id}/insights", f"/ecgs/{ecg_id}", "/ecgs", "/events"):
            refused = await client.get(path)
            assert (refused.status_code, refused.json()) == (503, {"detail": REFUSED})
        assert (await client.post("/ecgs", json=MARKED)).status_code == 503
        for refused in (
            await client.delete(f"/ecgs/{ecg_id}"),
            await client.post("/users", json={"username": "clinic"}, headers=ADMIN),
            await client.delete("/users/clinic", headers=ADMIN),
        ):
            assert (refused.status_code, refused.json()) == (503, {"detail": REFUSED})
        # The refused actions were not carried out either.
        assert [ecg["id"] for ecg in (await unaudited.get("/ecgs")).json()["ecgs"]].count(ecg_id) == 1
    assert await raw(pipeline) == []


@pytest.mark.parametrize("kind", [EcgClient, AsyncEcgClient])
async def test_the_clients_read_the_audit(pipeline: Pipeline, kind: type[EcgClient] | type[AsyncEcgClient]) -> None:
    name, since = f"audit-{kind.__name__}", datetime.now(UTC)
    async with pipeline.client(token=await pipeline.register(name)) as client:
        ecg_id = await submit(client)
    read: list[AuditEvent]
    if kind is EcgClient:
        with EcgClient(pipeline.gateways[1].url) as blocking:
            read = await asyncio.to_thread(lambda: list(blocking.audit(ADMIN_TOKEN, username=name, since=since)))
    else:
        async with AsyncEcgClient(pipeline.gateways[1].url) as client_:
            read = [event async for event in client_.audit(ADMIN_TOKEN, username=name, since=since)]
    assert [(event.action, event.who, event.username, event.ecg_id) for event in read] == [
        ("user_registered", "admin", name, None),
        ("ecg_submitted", name, name, ecg_id),
    ]
    assert all(since <= event.at <= datetime.now(UTC) for event in read)
