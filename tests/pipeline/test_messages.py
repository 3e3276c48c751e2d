"""Every record that the pipeline writes to a topic conforms to the AsyncAPI document."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import numpy as np
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord

from ecg_client.kafka import mark_dealt_with
from shared.chunk import Chunk
from shared.ecg import Lead
from shared.encoding import packed, plain
from shared.kafka.clients import partition_for
from shared.kafka.topics import Topics
from shared.messages import erasures, recomputations
from shared.messages.recomputations import Recomputation
from shared.security.ids import IdIssuer
from shared.settings import Settings
from stream_agents.recordings.segments import LEAST_RATE
from tests.support.conditions import DEADLINE, eventually
from tests.support.documented import async_api, validator
from tests.support.ecgs import insights
from tests.support.messages import found, message
from tests.support.pipeline import ADMIN_TOKEN, PARTITIONS, SECRET, Pipeline

# The smallest limit, so that the signal that is larger packed than as JSON can be small too.
MAX_BODY = 65_536
POISON = {
    b"poison-1": b'{"id": "poison-1", "username": "contracts", "leads": []}',
    b"poison-2": b"\xff",
    b"poison-3": b'{"id": "poison-3", "leads": [{"name": "I", "signal": [1]}]}',
}


async def test_every_record_is_as_documented(new_pipeline: Callable[..., Pipeline]) -> None:
    pipeline = new_pipeline(ECG_MAX_BODY_BYTES=str(MAX_BODY))
    pipeline.start_gateway()
    pipeline.start_gateway(ECG_ENCRYPT_SUBMISSIONS="true")
    worker = pipeline.start_worker()
    await pipeline.ready()
    token = await pipeline.register("contracts")
    async with pipeline.client(token=token) as client:
        small = {"date": "2026-11-24", "leads": [{"name": "I", "signal": [1, -1]}, {"name": "I", "signal": []}]}
        wide = {"leads": [{"name": "I", "signal": [0] * (MAX_BODY // 4) + [2**63 - 1]}]}
        for body in (small, wide):
            answer = await client.post("/ecgs", json=body)
            await insights(client, answer.json()["id"])
    async with pipeline.client(1, await pipeline.register("leaving")) as client:
        answer = await client.post("/ecgs", json=small)
        await insights(client, answer.json()["id"])
        assert (await client.delete(f"/ecgs/{answer.json()['id']}")).status_code == 204
        assert (await client.delete("/users/leaving", headers={"x-admin-token": ADMIN_TOKEN})).status_code == 204
    broken = await produce(pipeline, token)
    await send_recordings(pipeline, token)
    assert worker.stop() == 0

    records = await consume(pipeline)
    refused = [record for record in records["submissions"] if record.key in broken]
    assert {record.key: fitting("submissions", record) for record in refused} == {key: [] for key in broken}
    kinds = {name: {only(name, record) for record in of if record not in refused} for name, of in records.items()}
    assert kinds == {name: set(channel["messages"]) for name, channel in async_api()["channels"].items()}
    headers = {name for of in records.values() for record in of for name, _ in record.headers}
    documented = (m["headers"]["properties"] for m in async_api()["components"]["messages"].values() if "headers" in m)
    assert headers <= {name for properties in documented for name in properties}


async def send_recordings(pipeline: Pipeline, token: str) -> None:
    """Send recordings as JSON, packed and sealed, one of them of more than an hour, and erase some."""
    lead = {"name": "I", "signal": [1, -1] * 1500}
    whole = {"first_sample": 0, "sampling_rate": 250.0, "leads": [lead]}
    outline = {"sampling_rate": 250.0, "leads": [{"name": "I"}]}
    direct = {"recording_id": "patch", "username": "contracts"} | whole
    minute = Lead("I", np.zeros(int(60 * LEAST_RATE), np.int8))
    headers = [("content-type", packed.CONTENT_TYPE.encode())]
    topic = Topics(pipeline.settings).chunks.name
    async with AIOKafkaProducer(**pipeline.kafka) as producer:
        await producer.send_and_wait(topic, orjson.dumps(direct), b"patch")
        for number in range(62):
            chunk = Chunk("holter", "contracts", None, (minute,), LEAST_RATE, first_sample=number * minute.signal.size)
            await producer.send_and_wait(topic, packed.encode_chunk(chunk), b"holter", headers=headers)

    async def there() -> bool | None:
        async with pipeline.client(token=token) as client:
            answer = await client.get("/recordings/holter/insights")
        found = answer.json() if answer.status_code == 200 else {"number_of_samples": 0}
        return True if found["number_of_samples"] == 62 * minute.signal.size else None

    await eventually(there, what="an hour of a recording")
    for gateway in range(2):
        async with pipeline.client(gateway, token) as client:
            recording_id = (await client.post("/recordings", json=outline)).json()["id"]
            await client.post(f"/recordings/{recording_id}/chunks", json=whole)
            assert (await client.post(f"/recordings/{recording_id}/end", json={"number_of_samples": 3000})).is_success

            async def ended(
                client: httpx.AsyncClient = client, path: str = f"/recordings/{recording_id}"
            ) -> bool | None:
                answer = await client.get(f"{path}/insights")
                return True if answer.status_code == 200 and answer.json()["final"] else None

            await eventually(ended, what="the end of a recording")
            assert (await client.delete(f"/recordings/{recording_id}")).status_code == 204


async def produce(pipeline: Pipeline, token: str) -> set[bytes]:
    """Produce a record in the wrong partition, broken ones, and a dead letter's mark; return the broken ones' keys."""
    topic = Topics(pipeline.settings).submissions.name
    producer = AIOKafkaProducer(**pipeline.kafka)
    await producer.start()
    try:
        direct = message("contracts")
        other = (partition_for(direct["id"].encode(), PARTITIONS) + 1) % PARTITIONS
        await producer.send_and_wait(topic, orjson.dumps(direct), direct["id"].encode(), partition=other)
        await found(pipeline, token, direct["id"])
        again = recomputations.encode(Recomputation(direct["id"], 0))
        headers = [("content-type", recomputations.CONTENT_TYPE.encode())]
        await producer.send_and_wait(topic, again, direct["id"].encode(), headers=headers)
        for key, value in POISON.items():
            await producer.send_and_wait(topic, value, key)
        unreadable = IdIssuer(SECRET).issue("contracts")
        headers = [("content-type", b"application/vnd.ecg.v9"), ("username", b"contracts")]
        await producer.send_and_wait(topic, b"?", unreadable.encode(), headers=headers)
        await mark_dealt_with(producer, pipeline.settings, partition=0, offset=0, on_outage=lambda *_: None)
    finally:
        await producer.stop()
    async with pipeline.client(token=token) as client:

        async def refused() -> bool | None:
            return True if (await client.get(f"/ecgs/{unreadable}/insights")).status_code == 422 else None

        await eventually(refused)
    return {*POISON, unreadable.encode()}


async def consume(pipeline: Pipeline) -> dict[str, list[ConsumerRecord]]:
    """Return all records of every documented topic."""
    records: dict[str, list[ConsumerRecord]] = {}
    consumer = AIOKafkaConsumer(**pipeline.kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        for name, channel in async_api()["channels"].items():
            topic = channel["address"].replace(Settings.model_fields["topic_prefix"].default, pipeline.prefix, 1)
            tps = [TopicPartition(topic, n) for n in range(min(PARTITIONS, channel["bindings"]["kafka"]["partitions"]))]
            consumer.assign(tps)
            ends = await consumer.end_offsets(tps)
            records[name] = []
            async with asyncio.timeout(DEADLINE):
                while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                    for batch in (await consumer.getmany(timeout_ms=200)).values():
                        records[name] += batch
    finally:
        await consumer.stop()
    return records


def only(channel: str, record: ConsumerRecord) -> str:
    """Return the name of the documented message to which a record conforms; fail unless there is exactly one."""
    kinds = fitting(channel, record)
    assert len(kinds) == 1, f"{record} on {channel} is {kinds or 'not documented'}"
    return kinds[0]


def fitting(channel: str, record: ConsumerRecord) -> list[str]:
    """Return the names of a channel's messages to which a record conforms with key, headers and value."""
    document = async_api()
    return [name for name in document["channels"][channel]["messages"] if _fits(document, name, record)]


def _fits(document: dict[str, Any], name: str, record: ConsumerRecord) -> bool:
    documented = document["components"]["messages"][name]
    headers = {header: value.decode() for header, value in record.headers}
    try:
        parts = {
            "headers": (documented.get("headers", {}), headers),
            "key": (documented["bindings"]["kafka"]["key"], (record.key or b"").decode()),
            "payload": (documented["payload"], _decoded(record.value, documented.get("contentType"))),
        }
    except (ValueError, msgspec.DecodeError):
        return False
    return all(validator(schema, document).is_valid(value) for schema, value in parts.values())


def _decoded(value: bytes | None, content_type: str | None) -> Any:
    if value is None or content_type is None:
        return None if value is None else value.hex()
    if content_type == packed.CONTENT_TYPE:
        return msgspec.to_builtins(msgspec.msgpack.decode(value))
    assert content_type in (plain.CONTENT_TYPE, erasures.CONTENT_TYPE, recomputations.CONTENT_TYPE)
    return json.loads(value)
